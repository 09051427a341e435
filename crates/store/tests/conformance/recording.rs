//! Records: documents of the hub's own, by kind and id, guarded by their version.

use crate::support::{Factory, at};
use pasarela_store::{Person, RecordFilter, RecordGuard, RecordOrder, RecordWrite, Recorded, Store};

fn write(store: &dyn Store, id: &str, expected: i64, text: &str) -> RecordWrite {
    RecordWrite {
        kind: "caso".into(),
        id: id.into(),
        expected,
        due: None,
        open: true,
        subjects: Vec::new(),
        at: at(expected),
        data: store.sealer().seal(text.as_bytes()),
    }
}

async fn ids(store: &dyn Store, order: RecordOrder) -> Vec<String> {
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let filter = RecordFilter { before, ..RecordFilter::first("caso", order, 2) };
        let page = store.records(filter).await.unwrap();
        all.extend(page.rows.into_iter().map(|r| r.id));
        before = page.next;
        if before.is_none() {
            return all;
        }
    }
}

pub(crate) async fn a_record_is_written_by_who_read_its_version(factory: &impl Factory) {
    let store = factory.open();
    let s = &*store;
    assert_eq!(s.record("caso", "a").await.unwrap(), None);
    assert_eq!(
        s.keep_record(write(s, "a", 1, "ninguna")).await.unwrap(),
        Recorded::Stale,
        "there is nothing to change"
    );
    assert_eq!(s.keep_record(write(s, "a", 0, "uno")).await.unwrap(), Recorded::Done(1));
    assert_eq!(s.keep_record(write(s, "a", 0, "otra")).await.unwrap(), Recorded::Stale, "there is one already");
    let second = RecordWrite { due: Some(at(90)), open: false, ..write(s, "a", 1, "dos") };
    assert_eq!(s.keep_record(second).await.unwrap(), Recorded::Done(2));
    assert_eq!(s.keep_record(write(s, "a", 1, "tarde")).await.unwrap(), Recorded::Stale);
    let other = RecordWrite { kind: "nota".into(), ..write(s, "a", 0, "de otra clase") };
    assert_eq!(s.keep_record(other).await.unwrap(), Recorded::Done(1));
    drop(store);
    let row = factory.open().record("caso", "a").await.unwrap().unwrap();
    assert_eq!((row.data.as_slice(), row.version, row.open, row.due), ("dos".as_bytes(), 2, false, Some(at(90))));
    assert_eq!((row.created_at, row.changed_at, row.kind.as_str()), (at(0), at(1), "caso"));
}

pub(crate) async fn records_are_written_over_whatever_is_there_in_one_commit(factory: &impl Factory) {
    let store = factory.open();
    let s = &*store;
    let about = |id: &str, subjects: Vec<i64>, text: &str| RecordWrite { subjects, ..write(s, id, 9, text) };
    s.keep_records(Vec::new()).await.unwrap();
    let due = Some(at(90));
    let closed = RecordWrite { open: false, ..write(s, "c", 0, "nada") };
    let first =
        vec![about("b", vec![7, 8, 7], "uno"), RecordWrite { due, ..about("a", vec![7], "otro") }, closed.clone()];
    s.keep_records(first).await.unwrap();
    assert_eq!(s.record("caso", "c").await.unwrap(), None, "what is over and was never there");
    assert_eq!(ids(s, RecordOrder::Open).await.len(), 2);
    let list = async |subject| {
        let mut all = ids(s, RecordOrder::About(subject)).await;
        all.sort();
        all
    };
    assert_eq!((list(7).await, list(8).await), (vec!["a".to_owned(), "b".into()], vec!["b".to_owned()]));
    assert_eq!(s.record("caso", "a").await.unwrap().unwrap().due, due);

    let over = vec![
        RecordWrite { open: false, ..about("a", vec![], "fin") },
        about("b", vec![8, 9], "dos"),
        write(s, "d", 5, "d"),
    ];
    s.keep_records(over).await.unwrap();
    assert_eq!((list(7).await, list(8).await, list(9).await), (vec![], vec!["b".to_owned()], vec!["b".to_owned()]));
    let row = s.record("caso", "b").await.unwrap().unwrap();
    assert_eq!((row.data.as_slice(), row.version, row.open), ("dos".as_bytes(), 2, true));
    assert_eq!((row.created_at, row.changed_at), (at(9), at(9)));
    let row = s.record("caso", "a").await.unwrap().unwrap();
    assert_eq!((row.version, row.open, row.due), (2, false, None));
    assert_eq!(s.keep_record(write(s, "d", 1, "e")).await.unwrap(), Recorded::Done(2), "versions go on");
}

pub(crate) async fn records_are_listed_by_what_is_open_due_closed_and_about_whom(factory: &impl Factory) {
    let store = factory.open();
    let s = &*store;
    for (n, (id, due, open, subjects)) in [
        ("a", Some(30), true, vec![7, 8, 7]),
        ("b", Some(10), true, vec![8]),
        ("c", None, true, vec![]),
        ("d", Some(5), false, vec![7]),
        ("e", None, false, vec![]),
    ]
    .into_iter()
    .enumerate()
    {
        let due = due.map(at);
        let record = RecordWrite { due, open, subjects, at: at(n as i64), ..write(s, id, 0, id) };
        assert_eq!(s.keep_record(record).await.unwrap(), Recorded::Done(1));
    }
    let stranger = RecordWrite { kind: "nota".into(), subjects: vec![7], due: Some(at(1)), ..write(s, "x", 0, "x") };
    s.keep_record(stranger).await.unwrap();

    assert_eq!(ids(s, RecordOrder::Newest).await, ["e", "d", "c", "b", "a"]);
    assert_eq!(ids(s, RecordOrder::Open).await, ["c", "b", "a"]);
    assert_eq!(ids(s, RecordOrder::About(7)).await, ["d", "a"]);
    assert_eq!(ids(s, RecordOrder::About(8)).await, ["b", "a"]);
    assert_eq!(ids(s, RecordOrder::Due(at(30))).await, ["b", "a"], "the earliest first; what is closed is not due");
    assert_eq!(ids(s, RecordOrder::Due(at(29))).await, ["b"]);
    assert_eq!(ids(s, RecordOrder::Closed(at(4), None)).await, ["d"]);
    assert_eq!(ids(s, RecordOrder::Closed(at(9), None)).await, ["d", "e"]);

    // A write says anew whom it is about, and whether it is open.
    let change = RecordWrite { open: false, subjects: vec![9], at: at(20), ..write(s, "a", 1, "a") };
    s.keep_record(change).await.unwrap();
    assert_eq!(ids(s, RecordOrder::About(7)).await, ["d"]);
    assert_eq!(ids(s, RecordOrder::About(9)).await, ["a"]);
    assert_eq!(ids(s, RecordOrder::Due(at(30))).await, ["b"]);
    // Behind the last row of a page, also where two changed at the same time.
    let change = RecordWrite { open: false, subjects: vec![], at: at(20), ..write(s, "b", 1, "b") };
    s.keep_record(change).await.unwrap();
    let (mut after, mut walked) = (None, Vec::new());
    loop {
        let filter = RecordFilter::first("caso", RecordOrder::Closed(at(21), after), 1);
        let page = s.records(filter).await.unwrap();
        let row = page.rows.last().unwrap();
        after = Some((row.changed_at, row.number));
        walked.push(row.id.clone());
        if page.next.is_none() {
            break;
        }
    }
    assert_eq!(walked, ["d", "e", "a", "b"]);
    assert!(ids(s, RecordOrder::Closed(at(21), after)).await.is_empty());
}

pub(crate) async fn a_dropped_record_is_gone_with_its_links(factory: &impl Factory) {
    let store = factory.open();
    let s = &*store;
    let record = RecordWrite { subjects: vec![7], ..write(s, "a", 0, "a") };
    s.keep_record(record).await.unwrap();
    assert!(!s.drop_record("caso", "a", 2).await.unwrap(), "another version than was read");
    assert!(!s.drop_record("caso", "b", 1).await.unwrap());
    assert_eq!(ids(s, RecordOrder::About(7)).await, ["a"]);
    assert!(s.drop_record("caso", "a", 1).await.unwrap());
    assert!(!s.drop_record("caso", "a", 1).await.unwrap());
    assert_eq!(s.record("caso", "a").await.unwrap(), None);
    // Its place may be taken again: no link of the old one leads to the new one.
    s.keep_record(write(s, "b", 0, "b")).await.unwrap();
    assert_eq!(ids(s, RecordOrder::About(7)).await, Vec::<String>::new());
}

pub(crate) async fn of_many_who_write_one_version_one_does(factory: &impl Factory) {
    let store = factory.open();
    let s = &*store;
    for version in 0..3 {
        let tries = (0..16).map(|n| s.keep_record(write(s, "a", version, &n.to_string())));
        let came = futures_util::future::join_all(tries).await;
        let written = came.into_iter().filter(|c| *c.as_ref().unwrap() == Recorded::Done(version + 1)).count();
        assert_eq!(written, 1, "of version {version}");
    }
    assert_eq!(s.record("caso", "a").await.unwrap().unwrap().version, 3);
}

/// Two things that may not both happen are guarded by a third: who takes the last but one raises it.
pub(crate) async fn of_two_who_write_under_one_guard_one_does(factory: &impl Factory) {
    let store = factory.open();
    let s = &*store;
    for id in ["a", "b", "guarda"] {
        s.keep_record(write(s, id, 0, "antes")).await.unwrap();
    }
    let guard = |version| RecordGuard { kind: "caso".into(), id: "guarda".into(), version };
    for version in 1..9 {
        let both = ["a", "b"].map(|id| async move {
            let read = s.record("caso", id).await.unwrap().unwrap().version;
            (id, read, s.keep_record_under(write(s, id, read, &version.to_string()), guard(version)).await.unwrap())
        });
        let came = futures_util::future::join_all(both).await;
        let won: Vec<_> = came.iter().filter(|(_, read, c)| *c == Recorded::Done(read + 1)).collect();
        let stale = came.iter().filter(|(.., c)| *c == Recorded::Stale).count();
        assert_eq!((won.len(), stale), (1, 1), "under version {version}");
        let row = s.record("caso", won[0].0).await.unwrap().unwrap();
        assert_eq!(row.data, version.to_string().as_bytes());
        assert_eq!(s.record("caso", "guarda").await.unwrap().unwrap().version, version + 1);
    }
    let late = s.record("caso", "a").await.unwrap().unwrap();
    let stale = s.keep_record_under(write(s, "a", late.version, "tarde"), guard(3)).await.unwrap();
    assert_eq!((stale, s.record("caso", "a").await.unwrap()), (Recorded::Stale, Some(late)));
}

pub(crate) async fn a_held_person_is_not_redacted_and_records_go_with_the_others(factory: &impl Factory) {
    let store = factory.open();
    let s = &*store;
    for (id, subject) in [("de-valentina", 77), ("de-otra", 78)] {
        let due = Some(at(9));
        s.keep_record(RecordWrite { subjects: vec![subject], due, ..write(s, id, 0, "Valentina") }).await.unwrap();
    }
    let hold = RecordWrite { kind: "reserva".into(), subjects: vec![77], ..write(s, "r", 0, "proceso 12") };
    s.keep_record(hold.clone()).await.unwrap();
    let who =
        Person { subject: 77, personal: Vec::new(), records: vec!["caso".into()], held_by: Some("reserva".into()) };
    let held = s.redact(who.clone(), -1, 10, at(50)).await.unwrap();
    assert!(held.held && held.rows == 0 && held.next.is_none());
    assert_eq!(s.record("caso", "de-valentina").await.unwrap().unwrap().data, b"Valentina");

    let ended = RecordWrite { expected: 1, open: false, ..hold };
    s.keep_record(ended).await.unwrap();
    let redacted = s.redact(who, -1, 10, at(50)).await.unwrap();
    assert!(!redacted.held && redacted.rows == 1);
    let row = s.record("caso", "de-valentina").await.unwrap().unwrap();
    assert!(!String::from_utf8_lossy(&row.data).contains("Valentina"));
    assert_eq!((row.open, row.due, row.version), (false, None, 2), "whoever had read it hears that it changed");
    assert_eq!(s.record("caso", "de-otra").await.unwrap().unwrap().data, b"Valentina");
    assert_eq!(s.record("reserva", "r").await.unwrap().unwrap().data, b"proceso 12", "only the kinds named");
}

/// A configuration that takes something out of the database is read before it is opened, and beside who has it open.
pub(crate) async fn records_are_seen_without_opening_what_holds_them(factory: &impl Factory) {
    assert_eq!(factory.peek("caso").unwrap(), [], "there is nothing yet");
    let store = factory.open();
    for (id, text) in [("a", "primero"), ("b", "segundo")] {
        store.keep_record(write(&*store, id, 0, text)).await.unwrap();
    }
    let texts = || -> Vec<String> {
        factory.peek("caso").unwrap().into_iter().map(|r| String::from_utf8(r.data).unwrap()).collect()
    };
    assert_eq!(texts(), ["segundo", "primero"], "beside who has it open");
    assert_eq!(factory.peek("otro").unwrap(), []);
    store.add_data_key().await.unwrap();
    while !store.reseal(100).await.unwrap().done {}
    store.keep_record(write(&*store, "a", 1, "tercero")).await.unwrap();
    assert_eq!(texts(), ["segundo", "tercero"], "sealed by another key");
    drop(store);
    assert_eq!(texts(), ["segundo", "tercero"], "when nobody has it open");
    let store = factory.open();
    assert!(store.drop_record("caso", "a", 2).await.unwrap(), "nothing was changed by it");
}
