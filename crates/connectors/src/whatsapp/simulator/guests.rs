//! The guests and their phones: who they are, what they allow, and the chat that they see.

use jiff::{SignedDuration, Timestamp};
use pasarela_connector::sign;
use std::collections::HashMap;

/// Time for which a guest's message opens the window (contract, section 6).
const WINDOW: SignedDuration = SignedDuration::from_hours(24);

/// All guests, in the order in which they came up.
#[derive(Default)]
pub(super) struct Guests {
    list: Vec<Guest>,
    /// By digits and by user id.
    index: HashMap<String, usize>,
}

/// One guest.
pub(super) struct Guest {
    /// Digits; `None` for guests known by user id alone.
    pub(super) phone: Option<String>,
    /// Business-scoped user id.
    pub(super) user_id: String,
    /// Name that the guest shows.
    pub(super) name: String,
    /// With a user name, webhooks carry no phone.
    pub(super) username: Option<String>,
    /// Has WhatsApp.
    pub(super) reachable: bool,
    /// Stopped this business's marketing.
    pub(super) blocks_marketing: bool,
    /// Free text is allowed until then.
    window_until: Option<Timestamp>,
    /// Messages that the pair rate still allows, and when that was counted.
    allowance: Option<(f64, Timestamp)>,
    /// The chat, oldest first.
    pub(super) lines: Vec<Line>,
}

/// One message of a chat.
pub(super) struct Line {
    pub(super) id: String,
    pub(super) from_us: bool,
    pub(super) text: String,
    pub(super) template: Option<String>,
    pub(super) buttons: Vec<ShownButton>,
    pub(super) at: Timestamp,
    /// Why it never came.
    pub(super) failed: Option<u32>,
    /// When the guest reads it.
    pub(super) read_at: Option<Timestamp>,
}

/// A button as the guest sees it.
pub(super) struct ShownButton {
    pub(super) text: String,
    /// What a tap sends back, if the tap comes back at all.
    pub(super) payload: Option<String>,
}

impl Guests {
    /// The guest with this phone (digits) or user id, if there is one.
    pub(super) fn get(&self, id: &str) -> Option<&Guest> {
        self.list.get(*self.index.get(id)?)
    }

    /// The guest with this phone (digits), known from now on.
    pub(super) fn by_phone(&mut self, digits: &str) -> &mut Guest {
        let user_id = user_id_of(digits);
        self.known(digits, |index, at| {
            index.insert(user_id.clone(), at);
            Guest::new(Some(digits.to_owned()), user_id)
        })
    }

    /// The guest with this user id, known from now on, without a phone.
    pub(super) fn by_user_id(&mut self, user_id: &str) -> &mut Guest {
        self.known(user_id, |_, _| Guest::new(None, user_id.to_owned()))
    }

    fn known(&mut self, id: &str, make: impl FnOnce(&mut HashMap<String, usize>, usize) -> Guest) -> &mut Guest {
        let at = match self.index.get(id) {
            Some(at) => *at,
            None => {
                let at = self.list.len();
                let guest = make(&mut self.index, at);
                self.index.insert(id.to_owned(), at);
                self.list.push(guest);
                at
            }
        };
        // The index only ever holds places of the list, which never shrinks.
        &mut self.list[at]
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Guest> {
        self.list.iter()
    }
}

impl Guest {
    fn new(phone: Option<String>, user_id: String) -> Self {
        Self {
            phone,
            user_id,
            name: String::new(),
            username: None,
            reachable: true,
            blocks_marketing: false,
            window_until: None,
            allowance: None,
            lines: Vec::new(),
        }
    }

    /// The phone, unless a user name hides it.
    pub(super) fn shown_phone(&self) -> Option<&str> {
        if self.username.is_some() { None } else { self.phone.as_deref() }
    }

    /// The guest wrote: the window opens, and what we wrote before has been read.
    pub(super) fn wrote(&mut self, now: Timestamp) {
        self.window_until = now.checked_add(WINDOW).ok();
        for line in self.lines.iter_mut().filter(|l| l.from_us && l.failed.is_none()) {
            line.read_at = Some(line.read_at.map_or(now, |at| at.min(now)));
        }
    }

    /// May free text be sent?
    pub(super) fn window_is_open(&self, now: Timestamp) -> bool {
        self.window_until.is_some_and(|until| now < until)
    }

    /// Takes one message off the pair's allowance; false when there is none left.
    pub(super) fn allows_one_more(&mut self, now: Timestamp, burst: f64, every: f64) -> bool {
        let left = self.allowance.map_or(burst, |(left, since)| {
            let passed = now.duration_since(since).as_secs_f64().max(0.0);
            if every > 0.0 { (left + passed / every).min(burst) } else { burst }
        });
        // A hair's breadth for sums of fractions: a message exactly 6 s later is allowed.
        let allowed = left > 1.0 - 1e-6;
        self.allowance = Some((if allowed { left - 1.0 } else { left }, now));
        allowed
    }
}

/// Digits of a phone as people write it; `None` when it is none.
pub(super) fn digits(text: &str) -> Option<String> {
    let bare: String = text.chars().filter(|c| !" -()".contains(*c)).collect();
    let digits = bare.strip_prefix('+').unwrap_or(&bare);
    let plausible =
        (8..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    plausible.then(|| digits.to_owned())
}

/// The same phone always has the same user id.
fn user_id_of(digits: &str) -> String {
    let hash = sign::sha256(digits.as_bytes());
    let number = hash.iter().take(8).fold(0_u64, |n, byte| (n << 8) | u64::from(*byte));
    format!("CO.{:016}", number % 10_000_000_000_000_000)
}
