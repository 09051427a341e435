//! Names of what is done, by the routes that do it.

use crate::policy::{Action, Resource};

/// What a route does, in the words of the audit: its resource, and a verb of its path. `row`: what its gate asks
/// for; `None`: everybody who is known may, with what is their own.
pub(crate) fn action_of(row: Option<(Action, Resource)>, path: &str) -> String {
    let Some((action, resource)) = row else { return own(path).to_owned() };
    let last = path.rsplit('/').next().unwrap_or_default();
    let verb = match last {
        "pause" | "pausar" => "pause",
        "resume" | "reanudar" => "resume",
        "retry" | "reintentar" => "retry",
        "drop" | "descartar" => "drop",
        "steps" | "paso" => "step",
        "end" | "fin" => "end",
        "rotate" | "rotar" => "rotate",
        "revoke" | "revocar" => "revoke",
        "probar" => "test",
        "reenviar" => "replay",
        "secrets" | "secreto" if resource == Resource::Webhooks => "rotate",
        "quitar" if resource == Resource::Webhooks => "remove",
        "merge" | "unir" => "merge",
        "split" | "sacar" => "split",
        "apart" | "distintas" => "apart",
        "undo" | "deshacer" => "undo",
        "accept" | "aceptar" => "accept",
        "apply" | "modelo" => "provision",
        "cancel" | "change" | "test" | "import" | "reconcile" | "remove" | "replay" | "set" => last,
        _ if path.starts_with("/conciliacion/") => "reconcile",
        _ if action == Action::Write => "create",
        _ => action.word(),
    };
    format!("{}.{verb}", resource.word())
}

/// What everybody may do with what is their own.
fn own(path: &str) -> &'static str {
    match path {
        "/confirmar" => "sign_in.confirm",
        "/salir" => "sign_in.leave",
        "/mi-cuenta/contrasena" => "users.password",
        "/mi-cuenta/codigos" | "/mi-cuenta/codigos/activar" | "/mi-cuenta/codigos/quitar" => "users.second_factor",
        "/mi-cuenta/sesiones/{id}/fin" => "session.end",
        _ => "users.own",
    }
}

/// A look at a resource.
pub(crate) fn look_of(resource: Resource) -> String {
    format!("{}.look", resource.word())
}

/// The parameters of a route's path, as they stand in the address of a request. The path may lie below another.
pub(crate) fn parameters(path: &str, asked: &str) -> String {
    let pairs = path.rsplit('/').zip(asked.rsplit('/'));
    let mut found: Vec<String> = pairs
        .filter(|(name, _)| name.starts_with('{'))
        .map(|(_, value)| percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned())
        .collect();
    found.reverse();
    found.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deed_is_named_by_its_route() {
        let named = |r, a, path| action_of(Some((a, r)), path);
        assert_eq!(named(Resource::Pauses, Action::Operate, "/{kind}/{name}/pause"), "pauses.pause");
        assert_eq!(named(Resource::Pauses, Action::Operate, "/flujos/{name}/reanudar"), "pauses.resume");
        assert_eq!(named(Resource::Connections, Action::Operate, "/conciliacion/{name}"), "connections.reconcile");
        let apply = "/connections/{name}/plan/apply";
        assert_eq!(named(Resource::Connections, Action::Operate, apply), "connections.provision");
        assert_eq!(named(Resource::Flows, Action::Write, "/flows"), "flows.create");
        assert_eq!(named(Resource::Keys, Action::Write, "/claves/{id}/rotar"), "keys.rotate");
        assert_eq!(named(Resource::Backups, Action::Operate, "/admin/backup"), "backups.operate");
        assert_eq!(action_of(None, "/mi-cuenta/contrasena"), "users.password");
        assert_eq!(parameters("/{kind}/{name}/pause", "/api/v1/flows/boleta%20nueva/pause"), "flows boleta nueva");
        assert_eq!(parameters("/flows", "/api/v1/flows"), "");
    }
}
