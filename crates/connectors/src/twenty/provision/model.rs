//! The fashion model as data: objects, fields, stages, views. What was tried on a real server (contract 3.2,
//! `provisioning-plan.json`) stands as it was sent there; the rest follows the same forms.
//!
//! Labels are what people read in the CRM of a Colombian house, so they are Spanish. Names are the API's.

/// An object of our own.
#[derive(Debug)]
pub(in crate::twenty) struct ObjectDef {
    /// Kind of the hub's read model of it, as a list.
    pub(in crate::twenty) entity: [&'static str; 1],
    /// Name of the task that reads it.
    pub(in crate::twenty) task: &'static str,
    pub(in crate::twenty) singular: &'static str,
    pub(in crate::twenty) plural: &'static str,
    pub(in crate::twenty) label: &'static str,
    pub(in crate::twenty) labels: &'static str,
    pub(in crate::twenty) description: Option<&'static str>,
    pub(in crate::twenty) icon: &'static str,
}

/// A field, on an object of ours or a standard one.
pub(in crate::twenty) struct FieldDef {
    pub(in crate::twenty) object: &'static str,
    pub(in crate::twenty) name: &'static str,
    pub(in crate::twenty) label: &'static str,
    pub(in crate::twenty) icon: &'static str,
    pub(in crate::twenty) kind: Kind,
    pub(in crate::twenty) description: Option<&'static str>,
}

/// An option's label and value; its colour follows from its place.
pub(in crate::twenty) type Choice = (&'static str, &'static str);

/// What a field holds.
#[derive(Clone, Copy)]
pub(in crate::twenty) enum Kind {
    /// The hub's own key: unique text. Its name is the connection's `hub_id_field`.
    HubId,
    /// A type without more to say.
    Plain(&'static str),
    /// False until somebody says otherwise.
    Flag,
    /// A whole number.
    Number(Option<i64>),
    /// One of; the second value is the default.
    Select(&'static [Choice], Option<&'static str>),
    /// Some of.
    Multi(&'static [Choice]),
    /// To one record of the object; the label names the list on the other side.
    One(&'static str, &'static str),
}

impl Kind {
    /// As the API writes it.
    pub(in crate::twenty) fn type_name(self) -> &'static str {
        match self {
            Self::HubId => "TEXT",
            Self::Plain(name) => name,
            Self::Flag => "BOOLEAN",
            Self::Number(_) => "NUMBER",
            Self::Select(..) => "SELECT",
            Self::Multi(_) => "MULTI_SELECT",
            Self::One(..) => "RELATION",
        }
    }

    pub(in crate::twenty) fn choices(self) -> &'static [Choice] {
        match self {
            Self::Select(choices, _) | Self::Multi(choices) => choices,
            _ => &[],
        }
    }
}

/// A view that people find in the object's list.
pub(in crate::twenty) struct ViewDef {
    pub(in crate::twenty) object: &'static str,
    pub(in crate::twenty) name: &'static str,
    pub(in crate::twenty) icon: &'static str,
    pub(in crate::twenty) layout: Layout,
    /// Only records with this choice in this field.
    pub(in crate::twenty) only: Option<(&'static str, &'static str)>,
    /// In their order.
    pub(in crate::twenty) columns: &'static [&'static str],
}

/// How a view lies.
#[derive(Clone, Copy)]
pub(in crate::twenty) enum Layout {
    Table,
    /// By a field of choices, with the sum of another.
    Kanban(&'static str, Option<&'static str>),
}

impl Layout {
    pub(in crate::twenty) fn type_name(self) -> &'static str {
        match self {
            Self::Table => "TABLE",
            Self::Kanban(..) => "KANBAN",
        }
    }
}

/// Colours of choices, by their place (contract 3.2).
pub(in crate::twenty) const COLOURS: [&str; 8] =
    ["sky", "purple", "turquoise", "yellow", "green", "orange", "pink", "gray"];

const fn object(
    (entity, task): (&'static str, &'static str),
    singular: &'static str,
    plural: &'static str,
    label: &'static str,
    labels: &'static str,
    icon: &'static str,
) -> ObjectDef {
    ObjectDef { entity: [entity], task, singular, plural, label, labels, description: None, icon }
}

pub(in crate::twenty) static OBJECTS: [ObjectDef; 6] = [
    ObjectDef {
        description: Some("Diseñador o marca"),
        ..object(
            ("designer", "designers"),
            "designerProfile",
            "designerProfiles",
            "Perfil de diseñador",
            "Perfiles de diseñador",
            "IconNeedleThread",
        )
    },
    object(
        ("collection", "collections"),
        "fashionCollection",
        "fashionCollections",
        "Colección",
        "Colecciones",
        "IconHanger",
    ),
    object(
        ("sponsor_tier", "sponsor_tiers"),
        "sponsorTier",
        "sponsorTiers",
        "Nivel de patrocinio",
        "Niveles de patrocinio",
        "IconMedal",
    ),
    object(
        ("show_record", "show_records"),
        "fashionEvent",
        "fashionEvents",
        "Evento de moda",
        "Eventos de moda",
        "IconCalendarEvent",
    ),
    object(
        ("order_record", "order_records"),
        "ticketOrder",
        "ticketOrders",
        "Orden de boletas",
        "Órdenes de boletas",
        "IconTicket",
    ),
    object(
        ("model_release", "model_releases"),
        "modelRelease",
        "modelReleases",
        "Autorización de imagen",
        "Autorizaciones de imagen",
        "IconSignature",
    ),
];

const fn field(
    object: &'static str,
    name: &'static str,
    label: &'static str,
    icon: &'static str,
    kind: Kind,
) -> FieldDef {
    FieldDef { object, name, label, icon, kind, description: None }
}

const fn hub_id(object: &'static str) -> FieldDef {
    field(object, "hubId", "ID en Pasarela", "IconKey", Kind::HubId)
}

const fn own_hub_id(object: &'static str) -> FieldDef {
    FieldDef { description: Some("Llave externa estable escrita por el hub"), ..hub_id(object) }
}

const fn one(
    object: &'static str,
    name: &'static str,
    label: &'static str,
    target: &'static str,
    list: &'static str,
) -> FieldDef {
    field(object, name, label, "IconLink", Kind::One(target, list))
}

const ETAPA: &[Choice] = &[("Emergente", "EMERGENTE"), ("Consagrado", "CONSAGRADO")];
const CATEGORIAS: &[Choice] = &[("Ropa de baño", "BANO"), ("Joyería", "JOYERIA"), ("Marroquinería", "MARROQUINERIA")];
const TEMPORADA: &[Choice] =
    &[("Primavera-Verano 2027", "PV_2027"), ("Otoño-Invierno 2027", "OI_2027"), ("Resort 2027", "RESORT_2027")];
const ORDEN: &[Choice] =
    &[("Pendiente", "PENDIENTE"), ("Pagada", "PAGADA"), ("Reembolsada", "REEMBOLSADA"), ("Cancelada", "CANCELADA")];
const CONSENTIMIENTOS: &[Choice] = &[("Correo", "CORREO"), ("WhatsApp", "WHATSAPP"), ("Publicidad", "PUBLICIDAD")];
const ALCANCE: &[Choice] =
    &[("Pasarela", "PASARELA"), ("Redes sociales", "REDES"), ("Prensa", "PRENSA"), ("Campaña comercial", "CAMPANA")];
const AUTORIZACION: &[Choice] = &[("Pendiente", "PENDIENTE"), ("Firmada", "FIRMADA"), ("Revocada", "REVOCADA")];

/// Which of the pipelines a deal goes through. Twenty has no pipelines: they are views, filtered by this field
/// (contract 3.3).
const EMBUDO: &[Choice] = &[
    ("Postulaciones de diseñadores", "DISENADORES"),
    ("Patrocinios", "PATROCINIOS"),
    ("Compradores mayoristas", "MAYORISTAS"),
    ("Prensa", "PRENSA"),
];

pub(in crate::twenty) static FIELDS: &[FieldDef] = &[
    own_hub_id("designerProfile"),
    own_hub_id("fashionCollection"),
    own_hub_id("sponsorTier"),
    own_hub_id("fashionEvent"),
    own_hub_id("ticketOrder"),
    own_hub_id("modelRelease"),
    hub_id("person"),
    hub_id("company"),
    hub_id("opportunity"),
    field("person", "whatsapp", "WhatsApp", "IconBrandWhatsapp", Kind::Plain("PHONES")),
    field("person", "consentimientos", "Consentimientos", "IconShieldCheck", Kind::Multi(CONSENTIMIENTOS)),
    field("person", "consentimientoDesde", "Consentimiento desde", "IconCalendarCheck", Kind::Plain("DATE_TIME")),
    field("person", "consentimientoTexto", "Texto aceptado", "IconFileCheck", Kind::Plain("TEXT")),
    // As the flow `reclamo-en-tramite` writes it: the reason as text, empty when the case is decided.
    FieldDef {
        description: Some("Motivo del reclamo que se tramita (Ley 1581, art. 15); vacío si no hay ninguno"),
        ..field("person", "reclamoEnTramite", "Reclamo en trámite", "IconAlertTriangle", Kind::Plain("TEXT"))
    },
    field("company", "esMarca", "Es marca de moda", "IconHanger", Kind::Flag),
    field("company", "nit", "NIT", "IconId", Kind::Plain("TEXT")),
    field("company", "instagram", "Instagram", "IconBrandInstagram", Kind::Plain("LINKS")),
    field("designerProfile", "etapa", "Etapa", "IconStar", Kind::Select(ETAPA, Some("EMERGENTE"))),
    field("designerProfile", "categorias", "Categorías", "IconTags", Kind::Multi(CATEGORIAS)),
    field("designerProfile", "instagram", "Instagram", "IconBrandInstagram", Kind::Plain("LINKS")),
    field("designerProfile", "publicado", "Publicado", "IconEye", Kind::Flag),
    field("fashionCollection", "temporada", "Temporada", "IconLeaf", Kind::Select(TEMPORADA, None)),
    field("fashionCollection", "lookbook", "Lookbook", "IconBook", Kind::Plain("LINKS")),
    field("sponsorTier", "precio", "Precio", "IconCurrencyDollar", Kind::Plain("CURRENCY")),
    field("sponsorTier", "cupos", "Cupos", "IconHash", Kind::Number(Some(1))),
    field("sponsorTier", "beneficios", "Beneficios", "IconList", Kind::Plain("ARRAY")),
    field("fashionEvent", "inicia", "Inicia", "IconCalendar", Kind::Plain("DATE_TIME")),
    field("fashionEvent", "lugar", "Lugar", "IconMapPin", Kind::Plain("ADDRESS")),
    field("fashionEvent", "aforo", "Aforo", "IconUsers", Kind::Number(None)),
    field("fashionEvent", "termina", "Termina", "IconCalendarX", Kind::Plain("DATE_TIME")),
    field("fashionEvent", "publicado", "Publicado", "IconEye", Kind::Flag),
    field("ticketOrder", "total", "Total", "IconCash", Kind::Plain("CURRENCY")),
    field("ticketOrder", "estado", "Estado", "IconProgress", Kind::Select(ORDEN, Some("PENDIENTE"))),
    field("ticketOrder", "boletas", "Boletas", "IconTicket", Kind::Number(None)),
    field("ticketOrder", "detalle", "Detalle", "IconBraces", Kind::Plain("RAW_JSON")),
    field("modelRelease", "estado", "Estado", "IconProgress", Kind::Select(AUTORIZACION, Some("PENDIENTE"))),
    field("modelRelease", "alcance", "Alcance", "IconTags", Kind::Multi(ALCANCE)),
    field("modelRelease", "firmada", "Firmada", "IconCalendarCheck", Kind::Plain("DATE_TIME")),
    field("modelRelease", "vence", "Vence", "IconCalendarX", Kind::Plain("DATE")),
    field("modelRelease", "documento", "Documento", "IconFileText", Kind::Plain("LINKS")),
    field("opportunity", "embudo", "Embudo", "IconFilter", Kind::Select(EMBUDO, None)),
    one("designerProfile", "contacto", "Contacto", "person", "Perfiles de diseñador"),
    one("designerProfile", "marca", "Marca", "company", "Perfiles de diseñador"),
    one("fashionCollection", "disenador", "Diseñador", "designerProfile", "Colecciones"),
    one("opportunity", "nivelPatrocinio", "Nivel de patrocinio", "sponsorTier", "Oportunidades"),
    one("opportunity", "evento", "Evento", "fashionEvent", "Oportunidades"),
    one("ticketOrder", "comprador", "Comprador", "person", "Órdenes de boletas"),
    one("ticketOrder", "evento", "Evento", "fashionEvent", "Órdenes de boletas"),
    one("fashionCollection", "evento", "Evento", "fashionEvent", "Colecciones"),
    one("fashionCollection", "marca", "Marca", "company", "Colecciones"),
    one("fashionEvent", "anfitriona", "Marca anfitriona", "company", "Eventos de moda"),
    one("sponsorTier", "evento", "Evento", "fashionEvent", "Niveles de patrocinio"),
    one("modelRelease", "modelo", "Modelo", "person", "Autorizaciones de imagen"),
    one("modelRelease", "evento", "Evento", "fashionEvent", "Autorizaciones de imagen"),
    one("modelRelease", "coleccion", "Colección", "fashionCollection", "Autorizaciones de imagen"),
    one("opportunity", "disenador", "Diseñador", "designerProfile", "Oportunidades"),
    one("opportunity", "coleccion", "Colección", "fashionCollection", "Oportunidades"),
];

/// The object and field that deals move through.
pub(in crate::twenty) const STAGE: (&str, &str) = ("opportunity", "stage");

/// Stages that the pipelines need beside Twenty's own: label, value, colour.
pub(in crate::twenty) const STAGES: [(&str, &str, &str); 3] = [
    ("Contrato firmado", "CONTRATO", "green"),
    ("Activación en evento", "ACTIVACION", "orange"),
    ("Cerrado perdido", "CERRADO_PERDIDO", "gray"),
];

const fn pipeline(name: &'static str, choice: &'static str, columns: &'static [&'static str]) -> ViewDef {
    ViewDef {
        object: "opportunity",
        name,
        icon: "IconLayoutKanban",
        layout: Layout::Kanban("stage", Some("amount")),
        only: Some(("embudo", choice)),
        columns,
    }
}

pub(in crate::twenty) static VIEWS: [ViewDef; 6] = [
    pipeline("Embudo de patrocinios", "PATROCINIOS", &["name", "company", "nivelPatrocinio", "evento", "amount"]),
    pipeline("Postulaciones de diseñadores", "DISENADORES", &["name", "disenador", "pointOfContact", "evento"]),
    pipeline("Compradores mayoristas", "MAYORISTAS", &["name", "company", "coleccion", "amount"]),
    pipeline("Prensa", "PRENSA", &["name", "company", "pointOfContact", "evento"]),
    ViewDef {
        object: "ticketOrder",
        name: "Órdenes por estado",
        icon: "IconTicket",
        layout: Layout::Kanban("estado", Some("total")),
        only: None,
        columns: &["name", "comprador", "evento", "boletas", "total"],
    },
    ViewDef {
        object: "modelRelease",
        name: "Autorizaciones vigentes",
        icon: "IconSignature",
        layout: Layout::Table,
        only: Some(("estado", "FIRMADA")),
        columns: &["name", "modelo", "evento", "alcance", "firmada", "vence"],
    },
];

/// What the webhook asks for. Never `*.*`, which floods (contract 4.2).
pub(in crate::twenty) const OPERATIONS: [&str; 11] = [
    "person.*",
    "company.*",
    "opportunity.*",
    "note.created",
    "task.*",
    "designerProfile.*",
    "fashionCollection.*",
    "sponsorTier.*",
    "fashionEvent.*",
    "ticketOrder.*",
    "modelRelease.*",
];
