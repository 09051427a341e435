//! Texts of the form of a new connection.

use super::Row;

pub(super) const ROWS: &[Row] = &[
    ("newcomer.link", "Nueva conexión", "New connection"),
    ("newcomer.title", "Nueva conexión", "New connection"),
    (
        "newcomer.lead",
        "Elige el proveedor, responde lo que sepas y revisa. Aquí no se guarda nada ni se pide ningún secreto: recibes la tabla para pasarela.toml.",
        "Choose the provider, answer what you know, and check. Nothing is kept here and no secret is asked for: you get the table for pasarela.toml.",
    ),
    ("newcomer.provider", "Proveedor", "Provider"),
    ("newcomer.name", "Nombre", "Name"),
    (
        "newcomer.name_help",
        "Minúsculas, números, - y _. Es parte de la dirección de sus avisos.",
        "Small letters, digits, - and _. It is part of the address of its webhooks.",
    ),
    ("newcomer.environment", "Ambiente", "Environment"),
    ("newcomer.address", "Dirección (base_url)", "Address (base_url)"),
    ("newcomer.as_it_is", "como viene", "as it comes"),
    ("newcomer.as_toml", "Escríbelo como en TOML.", "Write it as in TOML."),
    ("newcomer.secrets", "Secretos", "Secrets"),
    (
        "newcomer.secrets_help",
        "Marca los que tendrá. La tabla nombra las variables de entorno; sus valores no pasan por esta página.",
        "Tick those that it will have. The table names environment variables; their values do not pass through this page.",
    ),
    ("newcomer.check", "Revisar", "Check"),
    ("newcomer.docs", "Documentación del proveedor", "The provider's documentation"),
    ("newcomer.right", "Está bien. Sigue así:", "It is right. Go on like this:"),
    ("newcomer.table", "Tabla para pasarela.toml", "Table for pasarela.toml"),
    ("newcomer.step_file", "Copia la tabla al final de pasarela.toml.", "Copy the table to the end of pasarela.toml."),
    ("newcomer.step_secrets", "Pon los secretos en estas variables:", "Put the secrets into these variables:"),
    ("newcomer.step_check", "Revisa todo y reinicia el hub:", "Check everything and restart the hub:"),
    ("newcomer.command", "pasarela check", "pasarela check"),
    (
        "newcomer.step_hook",
        "En el proveedor, registra tu dirección pública con este camino:",
        "At the provider, register your public address with this path:",
    ),
    (
        "newcomer.bad_name",
        "El nombre lleva minúsculas, números, - y _, y no puede ser pasarela.",
        "A name has small letters, digits, - and _, and cannot be pasarela.",
    ),
    (
        "newcomer.taken",
        "Ya hay una conexión {}. Elige otro nombre.",
        "There is a connection {} already. Choose another name.",
    ),
    ("newcomer.bad_value", "{} no se entiende. Mira su ayuda.", "{} cannot be understood. See its help."),
];
