//! Routes of persons, each with its description and who may call it.

use super::{Accepted, Back, Contacts, Did, Leaving, Other};
use crate::api::people;
use crate::policy::may;
use crate::routes::{Again, Routes, op};

/// Who is whom, and what people do about it.
pub(in crate::api) fn routes() -> Routes {
    use crate::policy::Action::{Operate, ReadPersonal, Write};
    use crate::policy::Resource::People;
    use pasarela_domain::model::HubPerson;
    use pasarela_engine::{ConflictView, ContactsReport, DoubtView, HistoryLine, PersonView};
    Routes::new()
        .get(
            "/people",
            people::list,
            op(may(ReadPersonal, People), "Persons across all connections, the latest heard of first")
                .query::<people::Filter>()
                .lists::<HubPerson>()
                .problems(&[409]),
        )
        .get(
            "/people/review",
            people::review,
            op(may(ReadPersonal, People), "Pairs that could be one person, for somebody to say")
                .about("A page may hold fewer pairs than asked for, also none: go on while there is a cursor.")
                .query::<people::Paging>()
                .lists::<DoubtView>()
                .problems(&[409]),
        )
        .get(
            "/people/conflicts",
            people::conflicts,
            op(may(ReadPersonal, People), "Edits that do not count, by the rules of ownership")
                .query::<people::Paging>()
                .lists::<ConflictView>()
                .problems(&[409]),
        )
        .post(
            "/people/import",
            people::import,
            op(may(Operate, People), "Take in a list of contacts, each row by itself")
                .about("At most 2000 rows at once. Sent again, a list changes nothing.")
                .takes::<Contacts>()
                .answers::<ContactsReport>()
                .problems(&[404, 409])
                .again(Again::Safe),
        )
        .get(
            "/people/{id}",
            people::one,
            op(may(ReadPersonal, People), "One person, by any id that was ever theirs")
                .answers::<PersonView>()
                .problems(&[404, 409]),
        )
        .get(
            "/people/{id}/history",
            people::history,
            op(may(ReadPersonal, People), "What was told and done with a person, the latest first")
                .lists::<HistoryLine>()
                .problems(&[404, 409]),
        )
        .post(
            "/people/{id}/merge",
            people::merge,
            op(may(Write, People), "Two persons are one")
                .takes::<Other>()
                .answers::<Did>()
                .problems(&[404, 409])
                .again(Again::Safe),
        )
        .post(
            "/people/{id}/apart",
            people::apart,
            op(may(Write, People), "Two persons are not one, and no rule joins them")
                .takes::<Other>()
                .answers::<Did>()
                .problems(&[404, 409])
                .again(Again::Safe),
        )
        .post(
            "/people/{id}/split",
            people::split,
            op(may(Write, People), "Records leave a person, together")
                .takes::<Leaving>()
                .answers::<Did>()
                .problems(&[404, 409])
                .again(Again::Once),
        )
        .post(
            "/people/{id}/undo",
            people::undo,
            op(may(Write, People), "Take a deed back; an undoing too")
                .takes::<Back>()
                .answers::<Did>()
                .problems(&[404, 409])
                .again(Again::Safe),
        )
        .post(
            "/people/{id}/conflicts/accept",
            people::accept,
            op(may(Write, People), "Leave a conflict as it is")
                .takes::<Accepted>()
                .answers::<PersonView>()
                .problems(&[404, 409])
                .again(Again::Safe),
        )
}
