//! The store contract, and SQLite behind it. No business rule.
