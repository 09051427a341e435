//! The steps of the model: what each is called, and which right it needs.

use crate::twenty::provision::model::{self, FieldDef, Kind, ObjectDef, ViewDef};
use crate::twenty::provision::seen::Surface;

/// A step of the model.
#[derive(Clone, Copy)]
pub(in crate::twenty::provision) enum Step {
    Object(&'static ObjectDef),
    Field(&'static FieldDef),
    /// The stages that deals move through.
    Stages,
    View(&'static ViewDef),
    Filter(&'static ViewDef),
    Column(&'static ViewDef, &'static str),
    Hook,
}

impl Step {
    /// All of them, in their order: what others refer to comes first.
    pub(super) fn all() -> Vec<Self> {
        let views = model::VIEWS.iter().flat_map(|v| {
            let filter = v.only.map(|_| Self::Filter(v));
            let columns = v.columns.iter().map(|c| Self::Column(v, c));
            std::iter::once(Self::View(v)).chain(filter).chain(columns)
        });
        let model = model::OBJECTS.iter().map(Self::Object).chain(model::FIELDS.iter().map(Self::Field));
        model.chain([Self::Stages]).chain(views).chain([Self::Hook]).collect()
    }

    /// Stable name.
    pub(in crate::twenty::provision) fn id(&self) -> String {
        match self {
            Self::Object(o) => format!("object:{}", o.singular),
            Self::Field(f) => format!("field:{}.{}", f.object, f.name),
            Self::Stages => format!("options:{}.{}", model::STAGE.0, model::STAGE.1),
            Self::View(v) => format!("view:{}/{}", v.object, v.name),
            Self::Filter(v) => format!("filter:{}/{}", v.object, v.name),
            Self::Column(v, c) => format!("column:{}/{}/{c}", v.object, v.name),
            Self::Hook => "webhook".to_owned(),
        }
    }

    pub(in crate::twenty::provision) fn surface(&self) -> Surface {
        match self {
            Self::Object(_) | Self::Field(_) | Self::Stages => Surface::Model,
            Self::View(_) | Self::Filter(_) | Self::Column(..) => Surface::Views,
            Self::Hook => Surface::Webhooks,
        }
    }

    pub(super) fn what(&self, hub_id: &str) -> String {
        match self {
            Self::Object(o) => format!("object {} ({})", o.singular, o.label),
            Self::Field(f) => {
                let name = if matches!(f.kind, Kind::HubId) { hub_id } else { f.name };
                let unique = if matches!(f.kind, Kind::HubId) { ", unique" } else { "" };
                let to = if let Kind::One(target, _) = f.kind { format!(" to {target}") } else { String::new() };
                format!("field {}.{name} ({}{unique}{to})", f.object, f.kind.type_name())
            }
            Self::Stages => "stages of opportunities".to_owned(),
            Self::View(v) => format!("view “{}” of {} ({})", v.name, v.object, v.layout.type_name()),
            Self::Filter(v) => format!("filter of the view “{}”", v.name),
            Self::Column(v, c) => format!("column {c} of the view “{}”", v.name),
            Self::Hook => "webhook to this hub".to_owned(),
        }
    }
}
