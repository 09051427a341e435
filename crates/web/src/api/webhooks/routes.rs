//! Routes of webhooks to services of one's own, each with its description and who may call it.

use crate::api::{Reason, webhooks};
use crate::policy::may;
use crate::routes::{Again, Routes, op};

/// Webhooks to services of one's own.
pub(in crate::api) fn routes() -> Routes {
    use crate::policy::Action::{Operate, Read, Write};
    use crate::policy::Resource::Webhooks;
    use pasarela_engine::{NewWebhook, TestOutcome, Webhook, WebhookChange};
    Routes::new()
        .get(
            "/webhooks",
            webhooks::list,
            op(may(Read, Webhooks), "Webhooks to services of your own, and how they stand").lists::<Webhook>(),
        )
        .post(
            "/webhooks",
            webhooks::create,
            op(may(Write, Webhooks), "Make a webhook: its secret is shown once")
                .about(
                    "Events are sent by the Standard Webhooks rules, those of one key in their order, until they are \
                     answered with 2xx. The address must be one of the public Internet; it is looked at now and at \
                     every connection.",
                )
                .takes::<NewWebhook>()
                .status(201)
                .answers::<webhooks::Made>()
                .problems(&[409])
                .again(Again::Secret),
        )
        .get(
            "/webhooks/{id}",
            webhooks::one,
            op(may(Read, Webhooks), "One webhook").versioned().answers::<Webhook>().problems(&[404]),
        )
        .post(
            "/webhooks/{id}/change",
            webhooks::change,
            op(may(Write, Webhooks), "Change a webhook; what is left out stays")
                .versioned()
                .takes::<WebhookChange>()
                .answers::<Webhook>()
                .problems(&[404, 412])
                .again(Again::Safe),
        )
        .post(
            "/webhooks/{id}/remove",
            webhooks::remove,
            op(may(Write, Webhooks), "Remove a webhook, and with it what it has not been sent")
                .versioned()
                .answers::<webhooks::Removed>()
                .problems(&[404, 412])
                .again(Again::Safe),
        )
        .post(
            "/webhooks/{id}/secrets",
            webhooks::rotate,
            op(may(Write, Webhooks), "Give a webhook a new secret; those before sign beside it for a time")
                .may_take::<webhooks::Rotation>()
                .answers::<webhooks::Made>()
                .problems(&[404, 409])
                .again(Again::Secret),
        )
        .post(
            "/webhooks/{id}/secrets/{secret}/end",
            webhooks::end_secret,
            op(may(Write, Webhooks), "End a secret of a webhook now")
                .answers::<Webhook>()
                .problems(&[404, 409])
                .again(Again::Safe),
        )
        .post(
            "/webhooks/{id}/test",
            webhooks::test,
            op(may(Operate, Webhooks), "Send a trial that tells of nothing, once, and see the answer")
                .about("The type is `webhook.test`; it goes by no lane, and is kept nowhere.")
                .answers::<TestOutcome>()
                .problems(&[404]),
        )
        .post(
            "/webhooks/{id}/pause",
            webhooks::pause,
            op(may(Operate, Webhooks), "Pause a webhook: its events wait in the log")
                .may_take::<Reason>()
                .answers::<Webhook>()
                .problems(&[404])
                .again(Again::Safe),
        )
        .post(
            "/webhooks/{id}/resume",
            webhooks::resume,
            op(may(Operate, Webhooks), "End a pause, a person's or the hub's: what waits goes on in its order")
                .answers::<Webhook>()
                .problems(&[404, 409])
                .again(Again::Safe),
        )
        .post(
            "/webhooks/{id}/replay",
            webhooks::replay,
            op(may(Operate, Webhooks), "Send everything since a moment again, under the same ids")
                .takes::<webhooks::Replay>()
                .answers::<Webhook>()
                .problems(&[404])
                .again(Again::Safe),
        )
        .get(
            "/webhooks/{id}/deliveries",
            webhooks::deliveries,
            op(may(Read, Webhooks), "What a webhook was sent, and what waits for it, newest first")
                .query::<webhooks::Filter>()
                .lists::<webhooks::Sent>()
                .problems(&[404]),
        )
}
