//! The standard objects of version 2.31 and their fields (contract 2.3), and those that callers make.

use std::sync::{Mutex, PoisonError};

/// An object.
#[derive(Debug)]
pub(super) struct ObjectType {
    pub(super) singular: &'static str,
    pub(super) plural: &'static str,
    /// As keys of answers write it: `Person`, `People`.
    pub(super) capital: &'static str,
    pub(super) capital_plural: &'static str,
    pub(super) fields: &'static [Field],
    /// Path of the unique value inside a composite.
    pub(super) unique: Option<(&'static str, &'static str)>,
    /// Does the hub's own field exist here, where the workspace has one?
    pub(super) hub_id: bool,
}

/// A field.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

/// Types of fields (contract 2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    FullName,
    Emails,
    Phones,
    Links,
    Address,
    Currency,
    DateTime,
    /// Options come from the settings; the first one is the default.
    Stage,
    TaskStatus,
    RichText,
    Files,
    /// To the object with this plural; written as `<name>Id`.
    Relation(&'static str),
}

impl Kind {
    /// Composites are what an upsert's event leaves out (contract 0.3).
    pub(super) fn is_composite(self) -> bool {
        matches!(self, Self::FullName | Self::Emails | Self::Phones | Self::Links | Self::Address | Self::Currency)
    }
}

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind }
}

const TASK_STATUSES: [&str; 3] = ["TODO", "IN_PROGRESS", "DONE"];

/// Options of a task's status.
pub(super) fn task_statuses() -> Vec<String> {
    TASK_STATUSES.iter().map(|&s| s.to_owned()).collect()
}

static OBJECTS: [ObjectType; 8] = [
    ObjectType {
        singular: "person",
        plural: "people",
        capital: "Person",
        capital_plural: "People",
        fields: &[
            field("name", Kind::FullName),
            field("emails", Kind::Emails),
            field("linkedinLink", Kind::Links),
            field("jobTitle", Kind::Text),
            field("phones", Kind::Phones),
            field("avatarUrl", Kind::Text),
            field("avatarFile", Kind::Files),
            field("companyId", Kind::Relation("companies")),
        ],
        unique: Some(("emails", "primaryEmail")),
        hub_id: true,
    },
    ObjectType {
        singular: "company",
        plural: "companies",
        capital: "Company",
        capital_plural: "Companies",
        fields: &[
            field("name", Kind::Text),
            field("domainName", Kind::Links),
            field("address", Kind::Address),
            field("linkedinLink", Kind::Links),
            field("annualRevenue", Kind::Currency),
            field("accountOwnerId", Kind::Relation("workspaceMembers")),
        ],
        unique: Some(("domainName", "primaryLinkUrl")),
        hub_id: true,
    },
    ObjectType {
        singular: "opportunity",
        plural: "opportunities",
        capital: "Opportunity",
        capital_plural: "Opportunities",
        fields: &[
            field("name", Kind::Text),
            field("amount", Kind::Currency),
            field("closeDate", Kind::DateTime),
            field("stage", Kind::Stage),
            field("companyId", Kind::Relation("companies")),
            field("pointOfContactId", Kind::Relation("people")),
            field("ownerId", Kind::Relation("workspaceMembers")),
        ],
        unique: None,
        hub_id: true,
    },
    ObjectType {
        singular: "workspaceMember",
        plural: "workspaceMembers",
        capital: "WorkspaceMember",
        capital_plural: "WorkspaceMembers",
        fields: &[field("name", Kind::FullName), field("userEmail", Kind::Text)],
        unique: None,
        hub_id: false,
    },
    ObjectType {
        singular: "note",
        plural: "notes",
        capital: "Note",
        capital_plural: "Notes",
        fields: &[field("title", Kind::Text), field("bodyV2", Kind::RichText)],
        unique: None,
        hub_id: false,
    },
    ObjectType {
        singular: "noteTarget",
        plural: "noteTargets",
        capital: "NoteTarget",
        capital_plural: "NoteTargets",
        fields: &[
            field("targetCompanyId", Kind::Relation("companies")),
            field("noteId", Kind::Relation("notes")),
            field("targetPersonId", Kind::Relation("people")),
            field("targetOpportunityId", Kind::Relation("opportunities")),
        ],
        unique: None,
        hub_id: false,
    },
    ObjectType {
        singular: "task",
        plural: "tasks",
        capital: "Task",
        capital_plural: "Tasks",
        fields: &[
            field("title", Kind::Text),
            field("bodyV2", Kind::RichText),
            field("dueAt", Kind::DateTime),
            field("status", Kind::TaskStatus),
            field("assigneeId", Kind::Relation("workspaceMembers")),
        ],
        unique: None,
        hub_id: false,
    },
    ObjectType {
        singular: "taskTarget",
        plural: "taskTargets",
        capital: "TaskTarget",
        capital_plural: "TaskTargets",
        fields: &[
            field("targetCompanyId", Kind::Relation("companies")),
            field("taskId", Kind::Relation("tasks")),
            field("targetPersonId", Kind::Relation("people")),
            field("targetOpportunityId", Kind::Relation("opportunities")),
        ],
        unique: None,
        hub_id: false,
    },
];

impl ObjectType {
    /// Field by name.
    pub(super) fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|f| f.name == name)
    }

    /// Relation by its name without `Id`.
    pub(super) fn relation(&self, name: &str) -> Option<(&'static Field, &'static str)> {
        self.fields.iter().find_map(|f| match f.kind {
            Kind::Relation(target) if f.name.strip_suffix("Id") == Some(name) => Some((f, target)),
            _ => None,
        })
    }
}

/// Kind of a field that somebody made, by its type's name; `None`: its values are kept as they come.
pub(super) fn kind_of(type_name: &str) -> Option<Kind> {
    Some(match type_name {
        "TEXT" => Kind::Text,
        "FULL_NAME" => Kind::FullName,
        "EMAILS" => Kind::Emails,
        "PHONES" => Kind::Phones,
        "LINKS" => Kind::Links,
        "ADDRESS" => Kind::Address,
        "CURRENCY" => Kind::Currency,
        "DATE_TIME" => Kind::DateTime,
        "RICH_TEXT" => Kind::RichText,
        _ => return None,
    })
}

/// Objects that callers made, in all workspaces of this process. Their names are kept for its life, each once, since
/// everything here names objects by reference; more than these are refused.
static MADE: Mutex<Vec<&'static ObjectType>> = Mutex::new(Vec::new());
const MOST_MADE: usize = 500;

/// What an object begins with.
static NAME: &[Field] = &[field("name", Kind::Text)];

/// The object of these names; it begins with a name and nothing else. `None`: there are too many.
pub(super) fn made(singular: &str, plural: &str) -> Option<&'static ObjectType> {
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = made.iter().find(|o| o.singular == singular && o.plural == plural) {
        return Some(known);
    }
    if made.len() >= MOST_MADE {
        return None;
    }
    let kept = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    let object: &'static ObjectType = Box::leak(Box::new(ObjectType {
        singular: kept(singular.to_owned()),
        plural: kept(plural.to_owned()),
        capital: kept(capital(singular)),
        capital_plural: kept(capital(plural)),
        fields: NAME,
        unique: None,
        hub_id: false,
    }));
    made.push(object);
    Some(object)
}

/// With a capital, as keys of answers have it.
pub(super) fn capital(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

pub(super) fn all() -> &'static [ObjectType] {
    &OBJECTS
}

pub(super) fn by_plural(plural: &str) -> Option<&'static ObjectType> {
    OBJECTS.iter().find(|o| o.plural == plural)
}

pub(super) fn by_singular(singular: &str) -> Option<&'static ObjectType> {
    OBJECTS.iter().find(|o| o.singular == singular)
}
