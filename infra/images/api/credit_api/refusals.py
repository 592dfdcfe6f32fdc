"""Why a request is refused: the code that SQL functions raise, and what a person reads, Indonesian first."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal:
    """An answer that is not the one asked for. `status` is HTTP's."""

    status: int
    pesan: str
    message: str

    def body(self) -> dict[str, str]:
        """Return the JSON object of the answer."""
        return {"pesan": self.pesan, "message": self.message}


class Refused(Exception):
    """The request ends with `refusal`."""

    def __init__(self, refusal: Refusal) -> None:
        """Keep what to answer."""
        super().__init__(refusal.message)
        self.refusal = refusal


NOT_FOUND = Refusal(404, "Rekening, pinjaman atau angsuran tidak ditemukan.", "No such account, loan or instalment.")
BAD_REQUEST = Refusal(
    400, "Isian permintaan tidak lengkap atau tidak sah.", "A field is missing or not of its type and range."
)
# Class CR is our own: the SQL functions raise it. The others are constraints that speak for themselves.
BY_SQLSTATE = {
    "CR404": NOT_FOUND,
    "23503": NOT_FOUND,
    "23514": BAD_REQUEST,
    "22003": BAD_REQUEST,
    "CR409": Refusal(
        409, "Kunci idempotensi ini sudah dipakai untuk pembayaran lain.", "This idempotency key paid something else."
    ),
    "23505": Refusal(409, "Angsuran ini sudah dibayar.", "This instalment is already paid."),
    "CR422": Refusal(
        422, "Jumlah harus sama dengan angsuran yang jatuh tempo.", "The amount must be that of the instalment."
    ),
    "CR423": Refusal(
        422, "Produk, pokok atau jangka waktu tidak berlaku.", "Product, principal or term is not on offer."
    ),
}

KEY_MISSING = Refusal(
    400,
    "Sertakan header Idempotency-Key sepanjang 8 sampai 64 karakter.",
    "Send an Idempotency-Key header of 8 to 64 characters.",
)
NOT_READY = Refusal(503, "Layanan belum siap.", "The service is not ready yet.")
BUSY = Refusal(
    503,
    "Sistem sedang sibuk dan permintaan belum diproses. Silakan ulangi.",
    "The system is busy and nothing was done. Please repeat the request.",
)
UNKNOWN = Refusal(
    503,
    "Hasilnya belum diketahui. Ulangi dengan kunci yang sama; pembayaran tidak akan tercatat dua kali.",
    "The outcome is not known. Repeat it with the same key; a payment is never recorded twice.",
)
