//! Alarms in words: what each is, and what to do.

use super::Row;

pub(super) const ROWS: &[Row] = &[
    ("alarms.title", "Alarmas", "Alarms"),
    (
        "alarms.lead",
        "Lo que el hub vigila siempre. Lo que suena va primero.",
        "What the hub always watches. What rings comes first.",
    ),
    ("alarms.calm", "Nada suena ahora.", "Nothing rings now."),
    ("alarms.ringing", "Suenan", "Ringing"),
    ("alarms.silent", "En silencio", "Silent"),
    ("alarms.rings", "Suena", "Rings"),
    ("alarms.quiet", "En calma", "Calm"),
    ("alarms.go", "Ver qué hacer", "See what to do"),
    ("alarm.dead_letters", "Acciones por resolver", "Actions to resolve"),
    (
        "alarm_help.dead_letters",
        "Una acción no se pudo hacer y espera una decisión: reintentar o descartar.",
        "An action could not be done and waits for a decision: retry or drop.",
    ),
    ("alarm.unknown", "Acciones sin confirmar", "Unconfirmed actions"),
    (
        "alarm_help.unknown",
        "La respuesta se perdió y el proveedor no deja averiguar. Revisa en el proveedor antes de reintentar.",
        "The answer was lost and the provider cannot be asked. Look at the provider before you retry.",
    ),
    ("alarm.quarantine", "Entregas en revisión", "Deliveries in quarantine"),
    (
        "alarm_help.quarantine",
        "Llegó algo auténtico que no se entendió. Actualiza el hub y repite la entrega.",
        "Something authentic came that was not understood. Upgrade the hub and replay the delivery.",
    ),
    ("alarm.proposals", "Propuestas por aprobar", "Proposals to approve"),
    (
        "alarm_help.proposals",
        "La conciliación encontró diferencias que esperan tu decisión.",
        "The reconciliation found differences that wait for your decision.",
    ),
    ("alarm.connection_degraded", "Conexión con problemas", "Connection in trouble"),
    (
        "alarm_help.connection_degraded",
        "Un proveedor rechaza la credencial o no responde. La página de conexiones dice qué cambiar.",
        "A provider refuses the credential or does not answer. The page of connections says what to change.",
    ),
    ("alarm.breaker_open", "Llamadas detenidas", "Calls stopped"),
    (
        "alarm_help.breaker_open",
        "Hubo seis fallas seguidas. El hub prueba solo y sigue cuando el proveedor vuelve.",
        "There were six failures in a row. The hub tries by itself and goes on when the provider is back.",
    ),
    ("alarm.reconciliation_failed", "Conciliación incompleta", "Incomplete reconciliation"),
    (
        "alarm_help.reconciliation_failed",
        "No se pudieron leer todos los registros de un proveedor. El reporte dice por qué.",
        "Not all records of a provider could be read. The report says why.",
    ),
    ("alarm.work_stuck", "Trabajo detenido", "Work is stuck"),
    (
        "alarm_help.work_stuck",
        "Hay trabajo que ya debía salir y no sale. Mira conexiones pausadas y llamadas detenidas.",
        "Work that is due does not go out. Look for paused connections and stopped calls.",
    ),
    ("alarm.intake_capped", "Entrada al tope", "Intake is full"),
    (
        "alarm_help.intake_capped",
        "Entra más de lo que se alcanza a decidir: se responde 503 y los proveedores vuelven a intentar.",
        "More comes in than can be decided: 503 is answered, and providers try again.",
    ),
    ("alarm.log_large", "Registro de la base muy grande", "Database log too large"),
    (
        "alarm_help.log_large",
        "Otro programa lee la base y no deja recortar su registro. Ciérralo.",
        "Another program reads the database and keeps its log from being cut. Close it.",
    ),
    ("alarm.disk_low", "Poco disco", "Little disk space"),
    (
        "alarm_help.disk_low",
        "Queda menos de 1 GiB. Libera espacio antes de la próxima noche.",
        "Less than 1 GiB is left. Free space before the next night.",
    ),
    ("alarm.space_unused", "Espacio sin usar en la base", "Unused space in the database"),
    (
        "alarm_help.space_unused",
        "La base guarda páginas libres que no puede devolver. Un respaldo restaurado la deja pequeña.",
        "The database keeps free pages that it cannot give back. A restored backup makes it small.",
    ),
    ("alarm.care_behind", "Limpieza atrasada", "Retention is behind"),
    (
        "alarm_help.care_behind",
        "Lo viejo no se alcanza a borrar en su tiempo. Aumenta el presupuesto en [retention].",
        "What is old is not removed in time. Raise the budget in [retention].",
    ),
    ("alarm.registry_unasked", "RNE sin consultar", "The RNE is not asked"),
    (
        "alarm_help.registry_unasked",
        "RNE sin consultar: campañas en pausa. Revisa la conexión, o consulta la lista e impórtala con pasarela rne import.",
        "The RNE is not asked: campaigns wait. Look at the connection, or consult the list and bring it in by pasarela rne import.",
    ),
    ("alarm.people_behind", "El mapa de personas va atrasado", "The map of persons is behind"),
    (
        "alarm_help.people_behind",
        "Lo que llega espera para saber de quién es. El registro del hub dice por qué; sigue solo cuando eso pasa.",
        "What comes in waits to be known whose it is. The hub's log says why; it goes on by itself once that is over.",
    ),
    ("alarm.database_damaged", "Base de datos dañada", "Database is damaged"),
    (
        "alarm_help.database_damaged",
        "Detén el hub, guarda el archivo y restaura un respaldo.",
        "Stop the hub, keep the file, and restore a backup.",
    ),
    ("alarm.api_version_ends", "Termina una versión del proveedor", "A provider's version ends"),
    (
        "alarm_help.api_version_ends",
        "Un proveedor deja de atender la versión que usa el hub. Actualiza el hub antes de esa fecha.",
        "A provider stops serving the version that the hub uses. Upgrade the hub before that date.",
    ),
    ("alarm.refusals", "Muchos rechazos", "Many refusals"),
    (
        "alarm_help.refusals",
        "Una misma clave, cuenta o dirección fue rechazada muchas veces en diez minutos. La auditoría dice cuál y desde dónde.",
        "One and the same key, account or address was turned away many times in ten minutes. The audit says which, and from where.",
    ),
];
