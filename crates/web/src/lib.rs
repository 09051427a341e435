//! HTTP: hooks, API, console. Thin. No SQL.
