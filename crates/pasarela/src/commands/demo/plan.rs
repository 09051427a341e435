//! What happens in a night: who buys what, what becomes of it, who comes. Made from a number, so
//! that the same night can be played again.

use super::people::Person;
use rand::RngExt;

/// Prices in pesos, taxes not included.
pub(super) const TIERS: [(&str, u32); 4] =
    [("Cortesía", 0), ("General", 60_000), ("Preferencial", 120_000), ("VIP", 250_000)];
pub(super) const PROMO: &str = "LINO10";

/// A purchase and its fate.
#[derive(Debug, Clone)]
pub(super) struct Purchase {
    pub(super) buyer: Person,
    pub(super) tickets: Vec<Bought>,
    pub(super) payment: Payment,
    pub(super) promo: bool,
    pub(super) fate: Fate,
    /// The buyer's number is on no phone with WhatsApp.
    pub(super) no_whatsapp: bool,
    /// When it is bought: a share of the sale, from 0 to 1.
    pub(super) at: f64,
}

/// One ticket of a purchase.
#[derive(Debug, Clone)]
pub(super) struct Bought {
    pub(super) tier: &'static str,
    /// `None`: the buyer's own.
    pub(super) holder: Option<Person>,
    /// Comes to the door.
    pub(super) comes: bool,
    /// Is scanned again, as happens at doors.
    pub(super) scanned_twice: bool,
}

/// How it is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Payment {
    Free,
    Card,
    Offline,
}

impl Payment {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Card => "stripe",
            Self::Offline => "offline",
        }
    }
}

/// What becomes of it before the show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Stays,
    MarkedAsPaid,
    NeverPaid,
    Cancelled,
    PartlyRefunded,
    Refunded,
}

/// `orders` purchases; the first person has the number `first_person`. Every ten purchases hold one of each kind.
pub(super) fn night(orders: usize, first_person: usize, rng: &mut impl rand::Rng) -> Vec<Purchase> {
    let mut next = first_person;
    let mut person = |with_phone: bool| {
        next += 1;
        Person::nth(next - 1, with_phone)
    };
    (0..orders)
        .map(|n| {
            let kind = n % 10;
            let (payment, fate) = match kind {
                2 => (Payment::Free, Fate::Stays),
                3 => (Payment::Offline, Fate::MarkedAsPaid),
                5 => (Payment::Card, Fate::Cancelled),
                6 => (Payment::Card, Fate::PartlyRefunded),
                7 => (Payment::Offline, Fate::NeverPaid),
                9 => (Payment::Card, Fate::Refunded),
                _ => (Payment::Card, Fate::Stays),
            };
            let free = payment == Payment::Free;
            // Every second unpaid buyer has no phone, and every second one of a larger order.
            let buyer = person(!(kind == 8 || (kind == 7 && n % 20 == 17)));
            let companions = match kind {
                1 => 2 + n / 10 % 2,
                3 | 8 => 1,
                _ => 0,
            };
            let mut tickets: Vec<Bought> = Vec::new();
            for i in 0..=companions {
                let tier = if free { TIERS[0].0 } else { TIERS[1 + (n / 10 + kind + i) % 3].0 };
                // A companion without a number is reached through the buyer, or not at all.
                let holder = (i > 0).then(|| person(!(i + n).is_multiple_of(3)));
                let comes = rng.random_bool(0.85);
                tickets.push(Bought { tier, holder, comes, scanned_twice: rng.random_bool(0.2) });
            }
            let jitter: f64 = rng.random_range(0.0..0.8);
            Purchase {
                buyer,
                tickets,
                payment,
                promo: kind == 4,
                fate,
                no_whatsapp: kind == 0 && n % 20 == 10,
                at: (n as f64 + jitter) / orders as f64,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::Xoshiro256PlusPlus;

    #[test]
    fn a_night_holds_every_kind_of_purchase_and_is_the_same_for_the_same_seed() {
        let night = |seed| super::night(40, 0, &mut Xoshiro256PlusPlus::seed_from_u64(seed));
        let one = night(1);
        assert_eq!(format!("{one:?}"), format!("{:?}", night(1)));
        assert_ne!(format!("{one:?}"), format!("{:?}", night(2)));
        for fate in
            [Fate::Stays, Fate::MarkedAsPaid, Fate::NeverPaid, Fate::Cancelled, Fate::PartlyRefunded, Fate::Refunded]
        {
            assert!(one.iter().any(|p| p.fate == fate), "{fate:?}");
        }
        assert!(one.iter().any(|p| p.promo) && one.iter().any(|p| p.payment == Payment::Free));
        assert!(one.iter().any(|p| p.no_whatsapp) && one.iter().any(|p| p.buyer.phone.is_none()));
        let holders = || one.iter().flat_map(|p| p.tickets.iter().filter_map(|t| t.holder.as_ref()));
        assert!(holders().any(|h| h.phone.is_none()) && holders().any(|h| h.phone.is_some()));
        let tiers = |p: &Purchase| p.tickets.iter().map(|t| t.tier).collect::<std::collections::BTreeSet<_>>().len();
        assert!(one.iter().any(|p| tiers(p) > 1), "several tiers in one purchase");
        assert!(one.iter().all(|p| (0.0..1.0).contains(&p.at)));
    }
}
