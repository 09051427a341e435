//! Colombian conventions: phones, money, dates. Pure, and useful without the hub.
