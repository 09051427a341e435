//! The provider's resources, key for key in its order (contract section 1.5).

use super::php::amount;
use super::state::{Answered, Item, List, Order, Product, Question, Scan, Show, State, Ticket};
use jiff::Timestamp;
use pasarela_domain::Money;
use serde_json::{Value, json};

/// `2026-04-09T15:04:11.000000Z`
pub(super) fn datetime(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.000000Z").to_string()
}

/// `2026-03-01 05:00:00`
pub(super) fn raw_datetime(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Adds fields at the end.
fn extend(mut value: Value, more: Value) -> Value {
    if let (Some(object), Value::Object(more)) = (value.as_object_mut(), more) {
        object.extend(more);
    }
    value
}

impl State {
    /// `EventResource`; by REST with its organiser.
    pub(super) fn event(&self, show: &Show, rest: bool) -> Value {
        let lifecycle = if show.status == "ARCHIVED" { "ENDED" } else { "UPCOMING" };
        let slug: String =
            show.title.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let mut event = json!({
            "id": show.id,
            "title": show.title,
            "category": "ART",
            "description": show.description,
            "start_date": datetime(show.starts_at),
            "end_date": show.ends_at.map(datetime),
            "status": show.status,
            "lifecycle_status": lifecycle,
            "currency": show.currency.code(),
            "timezone": show.time_zone,
            "slug": slug.split('-').filter(|p| !p.is_empty()).collect::<Vec<_>>().join("-"),
        });
        if let Some(location) = &show.location {
            event = extend(event, json!({ "location_details": location }));
        }
        if rest {
            event = extend(
                event,
                json!({ "organizer": {
                    "id": self.organizer, "name": "Colectivo Hilo y Río", "email": "hola@hiloyrio.example", "phone": null,
                    "website": null, "description": null, "timezone": "America/Bogota", "currency": "COP",
                    "slug": "colectivo-hilo-y-rio", "status": "LIVE",
                }}),
            );
        }
        event
    }

    /// As lists give it: with its statistics before its organiser.
    pub(super) fn event_row(&self, show: &Show) -> Value {
        let mut event = self.event(show, true);
        let sold: Vec<&Order> = self.orders.iter().filter(|o| o.show == show.id && o.status == "COMPLETED").collect();
        let sum = |of: fn(&Order) -> i64| amount(Money::new(sold.iter().map(|o| of(o)).sum(), show.currency));
        let guests: usize = sold.iter().map(|o| self.tickets_of(o.id).count()).sum();
        if let Some(fields) = event.as_object_mut()
            && let Some(organizer) = fields.shift_remove("organizer")
        {
            let statistics = json!({
                "unique_views": 0, "total_views": 0, "sales_total_gross": sum(|o| o.total.minor),
                "total_tax": sum(|o| o.tax.minor), "sales_total_before_additions": sum(|o| o.before.minor),
                "total_fee": 0, "products_sold": guests, "attendees_registered": guests,
                "total_refunded": sum(|o| o.refunded.minor),
            });
            fields.insert("statistics".into(), statistics);
            fields.insert("organizer".into(), organizer);
        }
        event
    }

    /// `ProductResource`.
    pub(super) fn product(&self, product: &Product, with_taxes: bool) -> Value {
        let sold: u32 = product.tiers.iter().map(|t| t.sold).sum();
        let capacity: Option<u32> = product.tiers.iter().map(|t| t.capacity).sum();
        let mut value = json!({
            "id": product.id, "title": product.title, "type": product.kind, "product_type": product.product_type,
            "order": 1, "description": product.description, "price": null, "max_per_order": 10, "min_per_order": 1, "quantity_sold": sold,
            "sale_start_date": null, "sale_end_date": null, "event_id": product.show,
            "initial_quantity_available": capacity,
            "hide_before_sale_start_date": false, "hide_after_sale_end_date": false, "start_collapsed": false,
            "show_quantity_remaining": false, "hide_when_sold_out": false, "is_hidden_without_promo_code": false,
            "is_hidden": false, "is_before_sale_start_date": false, "is_after_sale_end_date": false,
            "is_available": true, "is_sold_out": false,
        });
        match (value.as_object_mut(), product.tiers.first()) {
            // It has as many prices as tiers.
            (Some(fields), _) if product.kind == "TIERED" => {
                fields.shift_remove("price");
            }
            (Some(fields), Some(only)) => {
                fields.insert("price".into(), amount(only.price));
            }
            _ => {}
        }
        if with_taxes {
            let taxes: Vec<Value> = product
                .taxes
                .iter()
                .map(|t| json!({
                    "id": t.id, "account_id": 7, "name": t.name, "description": null,
                    "calculation_type": "PERCENTAGE", "rate": t.rate, "is_active": true, "is_default": false, "type": "TAX",
                }))
                .collect();
            value = extend(value, json!({ "taxes_and_fees": taxes }));
        }
        let prices: Vec<Value> = product
            .tiers
            .iter()
            .map(|t| json!({
                "id": t.id, "label": t.label, "price": amount(t.price), "sale_start_date": null, "sale_end_date": null,
                "is_before_sale_start_date": false, "is_after_sale_end_date": false, "is_available": null,
                "initial_quantity_available": t.capacity, "quantity_sold": t.sold,
                "is_sold_out": t.capacity.is_some_and(|c| t.sold >= c), "is_hidden": false, "off_sale_reason": null,
                "price_including_taxes_and_fees": amount(t.price),
            }))
            .collect();
        extend(
            value,
            json!({
                "prices": prices, "product_category_id": self.show(product.show).map(|s| s.category), "is_highlighted": false, "highlight_message": null,
                "waitlist_enabled": null,
            }),
        )
    }

    /// `OrderResource` without its relations.
    pub(super) fn order_head(&self, order: &Order) -> Value {
        let whole = order.refunded.minor > 0 && order.refunded.minor >= order.total.minor;
        json!({
            "id": order.id, "short_id": order.short_id,
            "total_before_additions": amount(order.before), "total_gross": amount(order.total),
            "total_tax": amount(order.tax), "total_fee": 0, "total_refunded": amount(order.refunded),
            "status": order.status, "refund_status": order.refund_status, "payment_status": order.payment_status,
            "currency": order.total.currency.code(),
            "first_name": order.first_name, "last_name": order.last_name, "email": order.email,
            "created_at": datetime(order.created_at), "public_id": order.public_id,
            "is_partially_refunded": order.refunded.minor > 0 && !whole, "is_fully_refunded": whole,
            "is_free_order": order.total.minor == 0, "is_manually_created": false,
            "taxes_and_fees_rollup": order.rollup, "address": null, "notes": order.notes,
            "payment_provider": order.provider, "promo_code": order.promo, "event_id": order.show,
        })
    }

    fn items(order: &Order) -> Vec<Value> {
        let item = |i: &Item| {
            json!({
                "id": i.id, "order_id": order.id, "total_before_additions": amount(i.total), "price": amount(i.price),
                "quantity": i.quantity, "product_id": i.product, "item_name": i.name,
                "price_before_discount": i.before_discount.map(amount), "taxes_and_fees_rollup": i.rollup,
            })
        };
        order.items.iter().map(item).collect()
    }

    /// As webhooks carry it: answers beside the tickets, and once more inside each.
    pub(super) fn order_webhook(&self, order: &Order) -> Value {
        let attendees: Vec<Value> = self.tickets_of(order.id).map(|t| self.attendee_webhook(t)).collect();
        extend(
            self.order_head(order),
            json!({
                "order_items": Self::items(order), "attendees": attendees, "question_answers": self.answers(order, None),
            }),
        )
    }

    /// As a single read gives it: answers beside the tickets only.
    pub(super) fn order_read(&self, order: &Order) -> Value {
        let attendees: Vec<Value> = self.tickets_of(order.id).map(|t| self.attendee(t)).collect();
        extend(
            self.order_head(order),
            json!({
                "order_items": Self::items(order), "attendees": attendees, "question_answers": self.answers(order, None),
            }),
        )
    }

    /// As lists give it: no answers, but an invoice.
    pub(super) fn order_row(&self, order: &Order) -> Value {
        let attendees: Vec<Value> = self.tickets_of(order.id).map(|t| self.attendee(t)).collect();
        let status = if order.status == "COMPLETED" { "PAID" } else { "UNPAID" };
        extend(
            self.order_head(order),
            json!({
                "order_items": Self::items(order), "attendees": attendees,
                "latest_invoice": {
                    "id": order.id, "invoice_number": format!("HR-{:05}", order.id), "order_id": order.id, "status": status,
                },
            }),
        )
    }

    fn answers(&self, order: &Order, ticket: Option<u64>) -> Vec<Value> {
        let rows = order.answers.iter().filter(|a| ticket.is_none() || a.ticket == ticket);
        rows.map(|a| self.answer(order, a)).collect()
    }

    fn answer(&self, order: &Order, answer: &Answered) -> Value {
        let ticket = answer.ticket.and_then(|id| self.ticket(id));
        let product = ticket.and_then(|t| self.product_by_id(t.product));
        let asked = self.question(answer.question);
        // Several chosen ones are joined, as the provider does.
        let text = match &answer.answer {
            Value::Array(chosen) => chosen.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
            other => other.as_str().unwrap_or_default().to_owned(),
        };
        let value = json!({
            "product_id": product.map(|p| p.id), "product_title": product.map(|p| p.title.as_str()),
            "question_id": answer.question, "title": asked.map(|q| q.title.as_str()),
            "question_required": asked.is_some_and(|q| q.required),
            "question_description": asked.and_then(|q| q.description.as_deref()),
            "answer": answer.answer, "text_answer": text, "order_id": order.id,
            "belongs_to": asked.map(|q| q.belongs_to), "question_type": asked.map(|q| q.kind.as_str()),
            "event_id": order.show, "question_answer_id": answer.id,
            "question_options": asked.and_then(|q| q.options.as_ref()),
        });
        match ticket {
            None => value,
            Some(t) => extend(
                value,
                json!({
                    "attendee_id": t.id, "first_name": t.first_name, "last_name": t.last_name,
                    "attendee_public_id": t.public_id,
                }),
            ),
        }
    }

    /// `QuestionResource`; what it has beyond what may be asked for is not known.
    pub(super) fn question_row(question: &Question) -> Value {
        json!({
            "id": question.id, "title": question.title, "type": question.kind, "belongs_to": question.belongs_to,
            "event_id": question.show, "required": question.required, "is_hidden": question.hidden,
            "options": question.options, "description": question.description, "product_ids": question.products,
        })
    }

    fn attendee_head(t: &Ticket) -> Value {
        json!({
            "id": t.id, "order_id": t.order, "product_id": t.product, "product_price_id": t.tier, "event_id": t.show,
            "email": t.email, "status": t.status, "first_name": t.first_name, "last_name": t.last_name,
            "public_id": t.public_id, "short_id": t.short_id, "locale": t.locale, "notes": t.notes,
        })
    }

    fn times(t: &Ticket) -> Value {
        json!({ "created_at": datetime(t.created_at), "updated_at": datetime(t.updated_at) })
    }

    /// As orders and check-ins hold it.
    pub(super) fn attendee(&self, t: &Ticket) -> Value {
        extend(Self::attendee_head(t), Self::times(t))
    }

    /// As its own webhooks and those of its order carry it.
    pub(super) fn attendee_webhook(&self, t: &Ticket) -> Value {
        let answers = self.order(t.order).map(|o| self.answers(o, Some(t.id))).unwrap_or_default();
        extend(extend(Self::attendee_head(t), json!({ "question_answers": answers })), Self::times(t))
    }

    fn scans(&self, t: &Ticket) -> Vec<Value> {
        self.scans.iter().filter(|s| s.ticket == t.id && !s.undone).map(|s| self.scan_head(s, t)).collect()
    }

    /// The same, each with its list, as a single read has them.
    fn scans_with_lists(&self, t: &Ticket) -> Vec<Value> {
        let here = self.scans.iter().filter(|s| s.ticket == t.id && !s.undone);
        here.map(|s| {
            let list = self.lists.iter().find(|l| l.id == s.list).map(|l| {
                json!({
                    "id": l.id, "name": l.name, "description": null, "expires_at": l.expires_at.map(raw_datetime),
                    "activates_at": null, "short_id": l.short_id, "total_attendees": null, "checked_in_attendees": null,
                })
            });
            extend(self.scan_head(s, t), json!({ "check_in_list": list }))
        })
        .collect()
    }

    /// As lists give it.
    pub(super) fn attendee_row(&self, t: &Ticket) -> Value {
        let more = json!({ "check_ins": self.scans(t), "order": self.order(t.order).map(|o| self.order_head(o)) });
        extend(extend(Self::attendee_head(t), more), Self::times(t))
    }

    /// As a single read gives it.
    pub(super) fn attendee_read(&self, t: &Ticket) -> Value {
        let answers = self.order(t.order).map(|o| self.answers(o, Some(t.id))).unwrap_or_default();
        let more = json!({
            "product": self.product_by_id(t.product).map(|p| self.product(p, false)),
            "check_ins": self.scans_with_lists(t),
            "question_answers": answers,
        });
        extend(extend(Self::attendee_head(t), more), Self::times(t))
    }

    fn scan_head(&self, s: &Scan, t: &Ticket) -> Value {
        json!({
            "id": s.id, "attendee_id": t.id, "check_in_list_id": s.list, "product_id": t.product, "event_id": t.show,
            "short_id": s.short_id, "created_at": datetime(s.at),
        })
    }

    /// As webhooks carry it.
    pub(super) fn scan_webhook(&self, s: &Scan) -> Option<Value> {
        let ticket = self.ticket(s.ticket)?;
        Some(extend(self.scan_head(s, ticket), json!({ "attendee": self.attendee(ticket) })))
    }

    /// As the public API gives it.
    pub(super) fn public_scan(&self, s: &Scan) -> Value {
        json!({
            "id": s.id, "short_id": s.short_id, "check_in_list_id": s.list, "attendee_id": s.ticket,
            "checked_in_at": datetime(s.at), "order_id": self.ticket(s.ticket).map(|t| t.order),
        })
    }

    /// As the public list gives it; with `list` also its check-in there.
    pub(super) fn public_attendee(&self, t: &Ticket, list: Option<u64>) -> Value {
        let value = json!({
            "id": t.id, "email": t.email, "first_name": t.first_name, "last_name": t.last_name,
            "public_id": t.public_id, "product_id": t.product, "product_price_id": t.tier, "status": t.status,
            "locale": t.locale, "order_id": t.order,
        });
        match list.and_then(|list| self.scan_of(t.id, list)) {
            Some(scan) => extend(value, json!({ "check_in": self.public_scan(scan) })),
            None => value,
        }
    }

    /// `CheckInListResource`.
    pub(super) fn check_in_list(&self, list: &List, now: Timestamp) -> Value {
        let total =
            self.tickets.iter().filter(|t| list.products.contains(&t.product) && t.status != "CANCELLED").count();
        let done = self.scans.iter().filter(|s| s.list == list.id && !s.undone).count();
        let products: Vec<Value> =
            list.products.iter().filter_map(|p| self.product_by_id(*p)).map(|p| self.product(p, false)).collect();
        json!({
            "id": list.id, "name": list.name, "description": null, "expires_at": list.expires_at.map(raw_datetime),
            "activates_at": null, "short_id": list.short_id, "total_attendees": total, "checked_in_attendees": done,
            "is_expired": list.expires_at.is_some_and(|at| at <= now), "is_active": true, "products": products,
        })
    }
}
