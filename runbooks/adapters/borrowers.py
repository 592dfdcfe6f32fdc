"""Plausible borrowers and their loans, the same for the same number on every machine. None of them exists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

TODAY = date(2026, 1, 15)  # of the seeded world: instalments due before it are paid
GIVEN = [
    "Adi", "Agus", "Ahmad", "Andi", "Arif", "Bagus", "Bambang", "Bayu", "Budi", "Dedi", "Dimas", "Eko", "Fajar",
    "Galih", "Hadi", "Hendra", "Iwan", "Joko", "Made", "Nyoman", "Rizky", "Slamet", "Surya", "Teguh", "Wahyu",
    "Yusuf", "Ayu", "Citra", "Dewi", "Dian", "Endang", "Fitri", "Indah", "Intan", "Kartika", "Lestari", "Maya",
    "Nur", "Putri", "Ratna", "Rina", "Sari", "Siti", "Sri", "Tuti", "Wulan", "Yanti", "Yuni",
]  # fmt: skip
FAMILY = [
    "Aditya", "Anwar", "Firmansyah", "Ginting", "Gunawan", "Hakim", "Halim", "Harahap", "Hidayat", "Hutagalung",
    "Irawan", "Kurniawan", "Kusuma", "Lubis", "Mahendra", "Maulana", "Nasution", "Nugroho", "Panjaitan",
    "Permana", "Pratama", "Purnomo", "Rahmawati", "Ramadhan", "Santoso", "Saputra", "Setiawan", "Siregar",
    "Simanjuntak", "Situmorang", "Suharto", "Sulistyo", "Susanto", "Sutrisno", "Suryani", "Syahputra",
    "Tarigan", "Utami", "Wibowo", "Wijaya",
]  # fmt: skip
CITIES = (
    ("Jakarta", 24), ("Surabaya", 15), ("Bandung", 11), ("Bekasi", 9), ("Medan", 8), ("Depok", 7), ("Tangerang", 7),
    ("Semarang", 5), ("Palembang", 4), ("Makassar", 4), ("Yogyakarta", 3), ("Denpasar", 2), ("Balikpapan", 1),
)  # fmt: skip
PREFIXES = ("811", "812", "813", "815", "817", "821", "822", "838", "852", "857", "878", "881", "895", "896")


@dataclass(frozen=True)
class Product:
    """What a loan of one kind is like: thousands of rupiah, months and basis points a month, flat."""

    code: str
    share: int
    thousands: tuple[int, int]
    months: tuple[int, ...]
    basis_points: int


PRODUCTS = (
    Product("multiguna", 50, (2_000, 50_000), (6, 12, 18), 99),
    Product("motor", 30, (12_000, 30_000), (12, 18, 24), 155),
    Product("usaha", 20, (5_000, 100_000), (6, 12, 24), 75),
)


@dataclass(frozen=True)
class Borrower:
    """One account with one loan; its number is the id of both. Amounts are rupiah."""

    number: int
    holder: str
    city: str
    phone: str
    product: str
    principal: int
    interest: int
    months: int
    outstanding: int
    granted_on: date

    def account_row(self) -> str:
        """Return the line that COPY takes for the account."""
        return f"{self.number}\t{self.holder}\t{self.city}\t{self.phone}\t{self.granted_on}\n"

    def loan_row(self) -> str:
        """Return the line that COPY takes for the loan."""
        return (
            f"{self.number}\t{self.number}\t{self.product}\t{self.principal}\t{self.interest}\t{self.months}"
            f"\t{self.outstanding}\t{self.granted_on}\n"
        )


def borrower(number: int) -> Borrower:
    """Return the borrower of that number, from 1. Up to two instalments are paid; the last never is."""
    chance = Random(number)  # noqa: S311  the same people everywhere is the point
    (product,) = chance.choices(PRODUCTS, [p.share for p in PRODUCTS])
    ((city, _),) = chance.choices(CITIES, [weight for _, weight in CITIES])
    months = chance.choice(product.months)
    principal = chance.randint(product.thousands[0] // 500, product.thousands[1] // 500) * 500_000
    paid, days = chance.randint(0, 2), chance.randint(1, 27)
    return Borrower(
        number=number,
        holder=f"{chance.choice(GIVEN)} {chance.choice(FAMILY)}",
        city=city,
        phone=f"+62 {chance.choice(PREFIXES)} {chance.randint(1000, 9999)} {chance.randint(100, 9999)}",
        product=product.code,
        principal=principal,
        interest=principal * product.basis_points // 10_000 * months,
        months=months,
        outstanding=principal - paid * (principal // months),
        granted_on=_months_before(TODAY, paid) - timedelta(days=days),
    )


def borrowers(first: int, last: int) -> Iterator[Borrower]:
    """Return the borrowers of those numbers, both included."""
    return map(borrower, range(first, last + 1))


def _months_before(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return day.replace(year=year, month=month + 1)
