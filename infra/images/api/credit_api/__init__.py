"""credit-api, the reference workload: accounts, loans, instalments and payments on a double-entry ledger in rupiah."""
