//! From the provider's words to the hub's: how a show sells, and by which lists it lets in.

use super::super::wire;
use super::{filled, moment, money};
use pasarela_connector::Unread;
use pasarela_domain::model::{Affiliate, Capacity, DaySales, DoorList, PromoCode, ShowSales, Stock, TierStock};
use pasarela_domain::{Currency, EmailAddress};

fn ids(ids: &[wire::Id]) -> Vec<String> {
    let mut ids: Vec<&wire::Id> = ids.iter().collect();
    ids.sort_by_key(|id| id.sort_key());
    ids.into_iter().map(|id| id.0.clone()).collect()
}

pub(in crate::hi_events) fn promo_code(
    wire: &wire::PromoCode,
    show: &wire::Id,
    currency: Currency,
) -> Result<PromoCode, Unread> {
    let amount = match wire.discount_type.as_str() {
        "FIXED" => Some(money(&wire.discount, currency, "promo code", &wire.id)?),
        _ => None,
    };
    Ok(PromoCode {
        id: wire.id.0.clone(),
        code: wire.code.clone(),
        show_id: show.0.clone(),
        percent: wire.discount.0.parse().ok().filter(|_| wire.discount_type == "PERCENTAGE"),
        amount,
        product_ids: ids(&wire.applicable_product_ids),
        ends_at: moment(wire.expiry_date.as_deref()),
        used: wire.order_usage_count,
        most: wire.max_allowed_usages,
    })
}

pub(in crate::hi_events) fn affiliate(
    wire: &wire::Affiliate,
    show: &wire::Id,
    currency: Currency,
) -> Result<Affiliate, Unread> {
    Ok(Affiliate {
        id: wire.id.0.clone(),
        name: wire.name.clone(),
        code: wire.code.clone(),
        email: filled(wire.email.as_deref()).and_then(|e| e.parse::<EmailAddress>().ok()),
        show_id: show.0.clone(),
        active: wire.status != "INACTIVE",
        orders: wire.total_sales,
        total: money(&wire.total_sales_gross, currency, "affiliate", &wire.id)?,
    })
}

pub(in crate::hi_events) fn capacity(wire: &wire::CapacityAssignment, show: &wire::Id) -> Capacity {
    let products: Vec<wire::Id> = wire.products.iter().map(|p| p.id.clone()).collect();
    Capacity {
        id: wire.id.0.clone(),
        name: wire.name.clone(),
        show_id: show.0.clone(),
        places: wire.capacity,
        taken: wire.used_capacity,
        active: wire.status != "INACTIVE",
        product_ids: ids(&products),
    }
}

pub(in crate::hi_events) fn door_list(wire: &wire::CheckInList, show: &wire::Id) -> DoorList {
    let products: Vec<wire::Id> = wire.products.iter().map(|p| p.id.clone()).collect();
    DoorList {
        id: wire.id.0.clone(),
        name: wire.name.clone(),
        show_id: show.0.clone(),
        tickets: Some(wire.total_attendees),
        came: Some(wire.checked_in_attendees),
        open: Some(!wire.is_expired && wire.is_active != Some(false)),
        product_ids: ids(&products),
    }
}

/// What is left of a product.
pub(in crate::hi_events) fn stock(wire: &wire::Product) -> Stock {
    let mut prices: Vec<&wire::Price> = wire.prices.iter().collect();
    prices.sort_by_key(|p| p.id.sort_key());
    let tiers = prices.into_iter().map(|p| TierStock {
        tier_id: p.id.0.clone(),
        places: p.initial_quantity_available,
        sold: p.quantity_sold,
        sold_out: p.is_sold_out,
    });
    Stock {
        product_id: wire.id.0.clone(),
        show_id: wire.event_id.0.clone(),
        sold: wire.quantity_sold,
        tiers: tiers.collect(),
    }
}

pub(in crate::hi_events) fn sales(
    wire: &wire::Stats,
    show: &wire::Id,
    currency: Currency,
) -> Result<ShowSales, Unread> {
    let money = |amount: &wire::Amount| money(amount, currency, "statistics of event", show);
    let days = wire.daily_stats.iter().map(|d| {
        Ok(DaySales {
            day: d.date.clone(),
            orders: d.orders_created,
            guests: d.attendees_registered,
            gross: money(&d.total_sales_gross)?,
            refunded: money(&d.total_refunded)?,
        })
    });
    Ok(ShowSales {
        show_id: show.0.clone(),
        orders: wire.total_orders,
        products: wire.total_products_sold,
        guests: wire.total_attendees_registered,
        gross: money(&wire.total_gross_sales)?,
        tax: money(&wire.total_tax)?,
        fees: money(&wire.total_fees)?,
        refunded: money(&wire.total_refunded)?,
        views: wire.total_views,
        days: days.collect::<Result<_, Unread>>()?,
    })
}
