//! The SQLite schema. Changes expand first and contract later: the previous binary still runs on it.

/// Version written by this binary into `meta`.
pub(super) const VERSION: i64 = 1;

/// Settings of every connection.
pub(super) const PRAGMAS: &str = "
PRAGMA foreign_keys = OFF;
PRAGMA temp_store = MEMORY;
PRAGMA cache_size = -8000;
PRAGMA mmap_size = 0;
PRAGMA busy_timeout = 5000;
";

/// Before the first table: free pages can be given back in bites. A file without it keeps them for itself.
pub(super) const NEW_FILE: &str = "PRAGMA auto_vacuum = INCREMENTAL;";

/// Tables and indexes that came after the first schema: made at each start where they are missing. An
/// earlier binary does not look at them and runs on.
pub(super) const EXPANSION: &str = "
CREATE TABLE IF NOT EXISTS pauses (kind TEXT NOT NULL, name TEXT NOT NULL, reason BLOB, who TEXT NOT NULL,
  since INTEGER NOT NULL, PRIMARY KEY (kind, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pushed_flows (name TEXT PRIMARY KEY, flow INTEGER NOT NULL, who TEXT NOT NULL,
  at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS passes (hash BLOB PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, may_write INTEGER NOT NULL,
  api_key TEXT, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, taker BLOB, account TEXT, detail BLOB) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS passes_account ON passes (account, created_at) WHERE account IS NOT NULL;
CREATE INDEX IF NOT EXISTS delivery_proposed ON delivery_result (delivery) WHERE status = 6;
CREATE INDEX IF NOT EXISTS effects_run ON effects (run);
CREATE INDEX IF NOT EXISTS effects_due ON effects (not_before, created_at) WHERE status = 0;
CREATE TABLE IF NOT EXISTS care (task TEXT PRIMARY KEY, first INTEGER NOT NULL DEFAULT 0, second INTEGER NOT NULL DEFAULT 0,
  removed INTEGER NOT NULL DEFAULT 0, passed_at INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS suppressions (id INTEGER PRIMARY KEY, address INTEGER NOT NULL UNIQUE, cause INTEGER NOT NULL,
  who TEXT NOT NULL, since INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS person_links (address INTEGER PRIMARY KEY, person INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS person_links_person ON person_links (person);
CREATE TABLE IF NOT EXISTS parts (number INTEGER PRIMARY KEY, connection INTEGER NOT NULL, kind TEXT NOT NULL,
  entity TEXT NOT NULL, parent INTEGER NOT NULL, UNIQUE (connection, kind, entity));
CREATE INDEX IF NOT EXISTS parts_parent ON parts (parent, kind, number);
CREATE INDEX IF NOT EXISTS effects_deferred ON effects (not_before) WHERE status = 4;
CREATE TABLE IF NOT EXISTS signing_keys (number INTEGER PRIMARY KEY, secret BLOB NOT NULL, made_at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS records (number INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL,
  due INTEGER, open INTEGER NOT NULL, created_at INTEGER NOT NULL, changed_at INTEGER NOT NULL, data BLOB NOT NULL,
  UNIQUE (kind, id));
CREATE INDEX IF NOT EXISTS records_kind ON records (kind, number);
CREATE INDEX IF NOT EXISTS records_open ON records (kind, number) WHERE open = 1;
CREATE INDEX IF NOT EXISTS records_due ON records (kind, due, number) WHERE open = 1 AND due IS NOT NULL;
CREATE INDEX IF NOT EXISTS records_closed ON records (kind, changed_at, number) WHERE open = 0;
CREATE TABLE IF NOT EXISTS record_subjects (subject INTEGER NOT NULL, record INTEGER NOT NULL,
  PRIMARY KEY (subject, record)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS record_subjects_record ON record_subjects (record);
CREATE TABLE IF NOT EXISTS audit (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, who_kind TEXT NOT NULL, who TEXT NOT NULL,
  named INTEGER NOT NULL, brand TEXT NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL, about BLOB NOT NULL,
  forgets BLOB NOT NULL, actor BLOB, actor_digest BLOB NOT NULL, detail BLOB, detail_digest BLOB NOT NULL,
  previous BLOB NOT NULL, hash BLOB NOT NULL, deed INTEGER NOT NULL DEFAULT 0, outcome TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS audit_deed ON audit (deed) WHERE deed <> 0;
CREATE INDEX IF NOT EXISTS audit_brand ON audit (brand, seq);
CREATE INDEX IF NOT EXISTS audit_outcome ON audit (outcome, seq);
CREATE INDEX IF NOT EXISTS audit_changes ON audit (seq) WHERE outcome <> 'looked' AND outcome <> 'refused';
CREATE INDEX IF NOT EXISTS audit_at ON audit (at);
CREATE INDEX IF NOT EXISTS audit_who ON audit (who, seq);
CREATE INDEX IF NOT EXISTS audit_named ON audit (named, seq);
CREATE INDEX IF NOT EXISTS audit_action ON audit (action, seq);
CREATE INDEX IF NOT EXISTS audit_subject ON audit (subject, seq);
CREATE TABLE IF NOT EXISTS audit_about (subject INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (subject, seq)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS audit_about_seq ON audit_about (seq);
CREATE TABLE IF NOT EXISTS audit_head (id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, at INTEGER NOT NULL, hash BLOB NOT NULL,
  mac BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS resealing (id INTEGER PRIMARY KEY, key INTEGER NOT NULL, part INTEGER NOT NULL, at TEXT NOT NULL,
  renewed INTEGER NOT NULL);
INSERT OR IGNORE INTO audit_head (id, seq, at, hash, mac) VALUES (1, 0, 0, x'', x'');
CREATE TABLE IF NOT EXISTS key_terms (key TEXT PRIMARY KEY, brands TEXT, expires_at INTEGER, rate TEXT, used_at INTEGER,
  old_hash BLOB, old_until INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (id INTEGER PRIMARY KEY, request INTEGER NOT NULL, taker INTEGER NOT NULL,
  boot INTEGER NOT NULL, at INTEGER NOT NULL, expires_at INTEGER NOT NULL, status INTEGER, answer BLOB);
CREATE INDEX IF NOT EXISTS answers_over ON answers (expires_at);
";

/// Times are Unix milliseconds. Columns named `body`, `packed`, `state`, `input`, `call`, `outcome`,
/// `detail`, `data`, `cursor`, `secret`, `reason`, `actor`, `answer` are sealed; `key`, `lane`, `subject`, `reference`, `hash`, `address` are keyed hashes.
///
/// What can be told from other rows has none of its own: a delivery that is neither in `inbox` nor in
/// `delivery_result` is decided; a person whom an event names is linked to the event and not again to
/// its delivery (`delivery_subject` holds those that only the delivery names); the attempt that did an
/// effect is the effect's `started_at` to `http_status` and `detail`, `attempts` has the others.
///
/// `inbox.bytes` is what the delivery takes until it is decided; `dedup.at` is when the key was made, or,
/// for keys of earlier builds, when retention first saw it; `care` is where each pass of retention stands.
pub(super) const SCHEMA: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE keys (id INTEGER PRIMARY KEY, purpose TEXT NOT NULL, wrapped BLOB NOT NULL, next BLOB,
  used INTEGER NOT NULL DEFAULT 0);
CREATE TABLE brands (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE senders (id INTEGER PRIMARY KEY, brand INTEGER NOT NULL DEFAULT 1, name TEXT NOT NULL UNIQUE);
CREATE TABLE connections (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, provider TEXT NOT NULL,
  brand INTEGER NOT NULL DEFAULT 1, sender INTEGER NOT NULL DEFAULT 1);
CREATE TABLE credentials (connection INTEGER PRIMARY KEY, secret BLOB NOT NULL);
CREATE TABLE api_keys (id TEXT PRIMARY KEY, name TEXT NOT NULL, hash BLOB NOT NULL, scopes TEXT NOT NULL,
  created_at INTEGER NOT NULL, revoked_at INTEGER) WITHOUT ROWID;
CREATE TABLE flows (id INTEGER PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL, source TEXT NOT NULL);
CREATE INDEX flows_name ON flows (name, version);

CREATE TABLE deliveries (id INTEGER PRIMARY KEY, connection INTEGER NOT NULL, source TEXT NOT NULL,
  received_at INTEGER NOT NULL, packed BLOB NOT NULL);
CREATE TABLE inbox (delivery INTEGER PRIMARY KEY, tries INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0);
CREATE TABLE delivery_result (delivery INTEGER PRIMARY KEY, status INTEGER NOT NULL, reason BLOB);
CREATE INDEX delivery_quarantine ON delivery_result (delivery) WHERE status = 4;
CREATE TABLE dedup (entity INTEGER NOT NULL, discriminator INTEGER NOT NULL, connection INTEGER NOT NULL,
  kind TEXT NOT NULL, at INTEGER, PRIMARY KEY (entity, discriminator, connection, kind)) WITHOUT ROWID;

CREATE TABLE events (id INTEGER PRIMARY KEY, type TEXT NOT NULL, connection INTEGER NOT NULL, key INTEGER NOT NULL,
  occurred_at INTEGER NOT NULL, received_at INTEGER NOT NULL, delivery INTEGER NOT NULL,
  brand INTEGER NOT NULL DEFAULT 1, body BLOB NOT NULL);
CREATE INDEX events_key ON events (key, id);
CREATE INDEX events_type ON events (type, id);
CREATE INDEX events_delivery ON events (delivery);
CREATE TABLE event_subject (subject INTEGER NOT NULL, event INTEGER NOT NULL, PRIMARY KEY (subject, event)) WITHOUT ROWID;
CREATE TABLE delivery_subject (subject INTEGER NOT NULL, delivery INTEGER NOT NULL, PRIMARY KEY (subject, delivery)) WITHOUT ROWID;
CREATE TABLE entities (id INTEGER PRIMARY KEY, connection INTEGER NOT NULL, kind TEXT NOT NULL, entity TEXT NOT NULL,
  version INTEGER NOT NULL, updated_at INTEGER, rank INTEGER NOT NULL, hash INTEGER NOT NULL,
  brand INTEGER NOT NULL DEFAULT 1, data BLOB NOT NULL, UNIQUE (connection, kind, entity));

CREATE TABLE runs (id INTEGER PRIMARY KEY, flow INTEGER NOT NULL, event INTEGER NOT NULL, key INTEGER NOT NULL,
  status INTEGER NOT NULL, version INTEGER NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
  brand INTEGER NOT NULL DEFAULT 1, state BLOB NOT NULL);
CREATE INDEX runs_live ON runs (id) WHERE status < 10;
CREATE INDEX runs_event ON runs (event);
CREATE TABLE run_waits (key INTEGER NOT NULL, type TEXT NOT NULL, run INTEGER NOT NULL, PRIMARY KEY (key, type, run)) WITHOUT ROWID;

CREATE TABLE effects (id INTEGER PRIMARY KEY, run INTEGER, path TEXT NOT NULL, connection INTEGER NOT NULL,
  action TEXT NOT NULL, lane INTEGER NOT NULL, seq INTEGER NOT NULL, urgency INTEGER NOT NULL, class TEXT, purpose TEXT,
  status INTEGER NOT NULL, not_before INTEGER, attempt INTEGER NOT NULL DEFAULT 0, generation INTEGER NOT NULL DEFAULT 1,
  boot INTEGER, started_at INTEGER, repeat INTEGER NOT NULL DEFAULT 2, created_at INTEGER NOT NULL,
  give_up_at INTEGER NOT NULL, resend_unknown INTEGER NOT NULL, park INTEGER NOT NULL, code TEXT, reference INTEGER,
  sender INTEGER NOT NULL DEFAULT 1, ended_at INTEGER, ended_call INTEGER, http_status INTEGER,
  flow INTEGER NOT NULL DEFAULT 0, expires_at INTEGER,
  input BLOB NOT NULL, call BLOB, outcome BLOB, detail BLOB);
CREATE INDEX effects_open ON effects (connection, urgency, flow, seq) WHERE status = 0;
CREATE INDEX effects_lane ON effects (connection, urgency, lane, seq) WHERE status = 0;
CREATE INDEX effects_calling ON effects (boot) WHERE status = 1;
CREATE INDEX effects_reference ON effects (connection, reference) WHERE reference IS NOT NULL AND status IN (2, 3, 12, 31);
CREATE INDEX effects_held ON effects (status, id) WHERE status IN (3, 30, 31);
CREATE TABLE attempts (effect INTEGER NOT NULL, attempt INTEGER NOT NULL, call INTEGER NOT NULL, started_at INTEGER NOT NULL,
  ended_at INTEGER NOT NULL, outcome TEXT NOT NULL, status INTEGER, detail BLOB, PRIMARY KEY (effect, attempt, call)) WITHOUT ROWID;
CREATE TABLE timers (due INTEGER NOT NULL, id INTEGER NOT NULL, kind INTEGER NOT NULL, target INTEGER NOT NULL,
  path TEXT NOT NULL, PRIMARY KEY (due, id)) WITHOUT ROWID;
CREATE TABLE cursors (connection INTEGER NOT NULL, task TEXT NOT NULL, cursor BLOB NOT NULL, at INTEGER NOT NULL,
  read INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (connection, task)) WITHOUT ROWID;

INSERT INTO brands (id, name) VALUES (1, 'default');
INSERT INTO senders (id, brand, name) VALUES (1, 1, 'default');
";

/// What a database of an earlier build lacks: (table, column, statements that add it).
pub(super) const ADDED: [(&str, &str, &str); 8] = [
    (
        "keys",
        "next",
        "ALTER TABLE keys ADD COLUMN next BLOB; ALTER TABLE keys ADD COLUMN used INTEGER NOT NULL DEFAULT 0;",
    ),
    (
        "effects",
        "ended_at",
        "ALTER TABLE effects ADD COLUMN ended_at INTEGER;
     ALTER TABLE effects ADD COLUMN ended_call INTEGER;
     ALTER TABLE effects ADD COLUMN http_status INTEGER;
     ALTER TABLE effects ADD COLUMN detail BLOB;",
    ),
    (
        "effects",
        "flow",
        "ALTER TABLE effects ADD COLUMN flow INTEGER NOT NULL DEFAULT 0;
     DROP INDEX IF EXISTS effects_open;
     CREATE INDEX effects_open ON effects (connection, urgency, flow, seq) WHERE status = 0;
     CREATE INDEX effects_lane ON effects (connection, urgency, lane, seq) WHERE status = 0;",
    ),
    (
        "inbox",
        "bytes",
        "ALTER TABLE inbox ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
     UPDATE inbox SET bytes = coalesce((SELECT length(packed) FROM deliveries d WHERE d.id = inbox.delivery), 0);",
    ),
    ("effects", "expires_at", "ALTER TABLE effects ADD COLUMN expires_at INTEGER;"),
    ("dedup", "at", "ALTER TABLE dedup ADD COLUMN at INTEGER;"),
    (
        "audit",
        "deed",
        "ALTER TABLE audit ADD COLUMN deed INTEGER NOT NULL DEFAULT 0;
     ALTER TABLE audit ADD COLUMN outcome TEXT NOT NULL DEFAULT '';",
    ),
    ("passes", "account", "ALTER TABLE passes ADD COLUMN account TEXT; ALTER TABLE passes ADD COLUMN detail BLOB;"),
];
