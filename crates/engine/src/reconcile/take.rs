//! What is done with one record: nothing, a line of the report, a proposal, or a delivery.

use super::news::entities_of;
use super::report::{Difference, Finding, Policy, Report};
use crate::connections::ConnectionRuntime;
use crate::engine::Inner;
use pasarela_connector::{Record, Source};
use pasarela_domain::{DeliveryId, EntityRef};
use pasarela_store::{Accepted, Decision, DeliveryStatus, Error, NewDelivery};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// Source of a delivery that waits for a person's approval.
pub(crate) const PROPOSAL: &str = "proposal";

impl Inner {
    /// Compares a record with what is known, and does with it what the policy says.
    pub(super) async fn take_record(
        &self,
        connection: &Arc<ConnectionRuntime>,
        record: &Record,
        seen: Option<&mut HashSet<EntityRef>>,
        report: &mut Report,
    ) -> Result<(), Error> {
        report.read += 1;
        let body = serde_json::to_vec(&record.body).unwrap_or_default();
        let translation = self.translate(connection, Source::Poll, &body);
        let mut finding = match &translation {
            Ok(translation) => {
                if let Some(seen) = seen {
                    seen.extend(entities_of(translation).cloned());
                }
                match self.news(connection, translation).await? {
                    Some(finding) => finding,
                    None => {
                        report.same += 1;
                        return Ok(());
                    }
                }
            }
            // Not understood: it belongs into quarantine, where it is seen.
            Err(_) => Finding {
                difference: Difference::Different,
                record: EntityRef::new("record", ""),
                facts: Vec::new(),
                delivery_id: None,
            },
        };
        report.news += 1;
        let packed = crate::pack::pack(std::iter::empty(), &body);
        finding.delivery_id = match report.policy {
            Policy::Report => None,
            Policy::Repair => {
                let delivery = self.keep(connection, Source::Poll.as_str(), &packed, None).await?;
                if let Some(id) = delivery {
                    self.feed_own(connection, id, Source::Poll, packed, self.clock.now());
                }
                delivery
            }
            Policy::Propose => self.propose(connection, &packed, &finding).await?,
        };
        report.found(finding);
        Ok(())
    }

    /// Keeps a record for a person to approve, once for each state that it is seen in.
    async fn propose(
        &self,
        connection: &ConnectionRuntime,
        packed: &[u8],
        finding: &Finding,
    ) -> Result<Option<DeliveryId>, Error> {
        let seal = self.store.sealer();
        let nonce = format!("{PROPOSAL}:{}:{}", connection.id, seal.hash_bytes(packed));
        let Some(id) = self.keep(connection, PROPOSAL, packed, Some(nonce)).await? else { return Ok(None) };
        self.hold_proposal(id, &finding.record).await?;
        Ok(Some(id))
    }

    /// Takes a proposal out of the inbox: nothing follows from it until a person says so.
    pub(crate) async fn hold_proposal(&self, id: DeliveryId, record: &EntityRef) -> Result<(), Error> {
        let why = if record.id.is_empty() {
            "reconciliation found it; it waits for approval".to_owned()
        } else {
            format!("reconciliation found {}:{}; it waits for approval", record.kind, record.id)
        };
        self.close_delivery(id, DeliveryStatus::Proposed, &why).await
    }

    /// Ends a delivery of the inbox without deciding anything.
    pub(crate) async fn close_delivery(&self, id: DeliveryId, status: DeliveryStatus, why: &str) -> Result<(), Error> {
        let decision = Decision {
            delivery: id,
            status,
            reason: Some(self.store.sealer().seal(why.as_bytes())),
            facts: Vec::new(),
            subjects: Vec::new(),
            door: false,
        };
        self.store.decide(decision).await.map(|_| ())
    }

    /// Stores a body as a delivery. `None`: it was stored before, under the same nonce.
    pub(crate) async fn keep(
        &self,
        connection: &ConnectionRuntime,
        source: &'static str,
        packed: &[u8],
        nonce: Option<String>,
    ) -> Result<Option<DeliveryId>, Error> {
        loop {
            let delivery = NewDelivery {
                connection: connection.id,
                source,
                received_at: self.clock.now(),
                packed: self.store.sealer().seal(packed),
                replay_key: nonce.clone(),
                door: false,
            };
            match self.store.accept(delivery).await {
                Ok(Accepted::New(id)) => return Ok(Some(id)),
                Ok(Accepted::Known) => return Ok(None),
                Err(Error::Busy | Error::DiskFull) => tokio::time::sleep(Duration::from_millis(250)).await,
                Err(e) => return Err(e),
            }
        }
    }
}
