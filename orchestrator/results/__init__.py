"""Ledger, findings as frames, the merged BOM, the policy."""
