//! Accept, decide, lanes, dispatch, timers, reconcile. One direction: inbound never calls out,
//! outbound never decides. Names no provider, and holds no SQL.
//!
//! [`Engine`] is the handle that the web, the command line and the tests hold. What the guarantees
//! rest on is written at the head of each module.

mod abroad;
mod accept;
mod admin;
mod backoff;
mod begun;
mod by_hand;
mod care;
mod cases;
mod catalog;
mod client;
mod connections;
mod decide;
mod decisions;
mod dispatch;
mod engine;
mod errands;
mod examine;
mod feed;
mod flows;
mod holds;
mod intake;
mod lanes;
mod lawful;
mod ledger;
mod neighbours;
mod network;
mod pack;
mod parts;
mod pauses;
mod people;
mod provision;
mod reconcile;
mod recover;
mod refunds;
mod registry;
mod replay;
mod retention;
mod runs;
mod sight;
mod standing;
mod suppress;
mod tallies;
mod telemetry;
mod timers;
mod traits;
pub mod vault;
mod webhooks;
mod whole;

pub use abroad::{Basis, Transfer, check_transfer};
pub use accept::{Admission, InboundRequest};
pub use admin::{AdminError, Replayed};
pub use by_hand::{AskError, Asked, Wish, input_of};
pub use care::{CareNow, CareView, Keeping, Retention, Round};
pub use cases::{
    CaseError, CaseFilter, CaseView, CasesNow, IncidentError, IncidentView, NewCase, NewIncident, Urgency, answer_draft,
};
pub use catalog::{Completion, HubCatalog};
pub use connections::{ApiState, ConnectionSetup, ConnectionState, DEFAULT_BRAND, DEFAULT_SENDER, LimitOverride};
pub use engine::{Engine, Setup, StartError};
pub use errands::ErrandError;
pub use examine::{Examination, Finding as Looked, Grade, PublicAddress};
pub use flows::{FlowChange, FlowSet, FlowState, PushError, Pushed};
pub use holds::{Hold, NewHold};
pub use intake::{IntakeLimits, IntakeView};
pub use lawful::{Explained, Explanation, Law, Registry};
pub use ledger::{
    ImportReport, ImportedRow, LEDGER, LedgerError, Named, NewText, PersonConsents, Recorded, RowState, Statement,
};
pub use network::{Network, Reaching, Stream};
pub use pack::{pack, unpack};
pub use parts::ShowPart;
pub use pauses::PauseError;
pub use people::{
    ConflictView, ContactRow, ContactState, ContactsReport, Done, DoubtView, HistoryLine, ImportedContact, PeopleError,
    PeoplePage, PersonView,
};
pub use provision::{DoneStep, ProvisionAsk, ProvisionError, ProvisionPlan, Provisioned, RefusedStep};
pub use reconcile::{Ask, Difference, Finding, Policy, ReconcileError, ReconcileSettings, Report};
pub use refunds::{Colleague, NewRefund, Refund, RefundError, RefundFilter, RefundId, RefundOutcome, RefundState};
pub use registry::{ListError, ListedAddress, RegistryList, RegistryView};
pub use replay::{ReplayFilter, ReplayPage};
pub use retention::RetentionRule;
pub use runs::RunView;
pub use tallies::{Day, Slot, StepTally};
pub use telemetry::{Metrics, Snapshot};
pub use traits::ServerCan;
pub use webhooks::{
    BY_THE_HUB, NewWebhook, SecretError, SecretView, TestOutcome, WEBHOOK_ACTION, Webhook, WebhookChange, WebhookError,
    WebhookState, check_secret, is_webhook, signing_secret,
};
