use super::*;
use crate::clock::Moment;
use crate::event::{Event, HostStopped, PayloadsErased};
use crate::record::{Draft, tests::every_event};

fn trail() -> Vec<Record> {
    let mut head = Head::EMPTY;
    let mut records = Vec::new();
    for (at, event) in every_event().iter().enumerate() {
        records.push(Draft::new(event).unwrap().seal(&mut head, &Moment::at(at as i64 * 1_000_000)));
    }
    records
}

fn checked(
    records: &[Record],
    anchor: Option<Anchor>,
    erasures: Vec<RangeInclusive<u64>>,
) -> Result<Verified, Broken> {
    let mut verifier = Verifier::new(Head::EMPTY, anchor, erasures);
    records.iter().try_for_each(|record| verifier.check(record))?;
    verifier.finish()
}

/// The first bad record after a change to the trail.
fn broken(change: impl FnOnce(&mut Vec<Record>)) -> Broken {
    let mut records = trail();
    change(&mut records);
    checked(&records, None, Vec::new()).unwrap_err()
}

#[test]
fn an_untouched_trail_is_good() {
    let records = trail();
    let verified = checked(&records, None, Vec::new()).unwrap();
    let last = records.last().unwrap();
    assert_eq!(
        verified,
        Verified { records: last.seq, erased: 0, head: Head { seq: last.seq, hash: last.hash } }
    );
}

#[test]
fn every_edit_shows() {
    // Index 6 is an intent: record 7.
    type Change = fn(&mut Record);
    let edits: &[(Fault, Change)] = &[
        (Fault::ColumnEdited("at"), |r| r.at_us += 1),
        (Fault::ColumnEdited("kind"), |r| r.kind = "outcome".into()),
        (Fault::ColumnEdited("session"), |r| r.session = None),
        (Fault::ColumnEdited("operation"), |r| r.operation = Some(8)),
        (Fault::ColumnEdited("principal"), |r| r.principal = Some("bob".into())),
        (Fault::ColumnEdited("resource"), |r| r.resource = Some("x".into())),
        (Fault::ColumnEdited("verdict"), |r| r.verdict = Some("deny".into())),
        (Fault::ColumnEdited("status"), |r| r.status = Some("ok".into())),
        (Fault::BodyEdited, |r| r.body = r.body.replace("ann", "bob")),
        (Fault::BodyEdited, |r| r.body.push(' ')),
        (Fault::BodyEdited, |r| r.body.clear()),
        (Fault::BodyEdited, |r| r.hash[0] ^= 1),
        (Fault::PayloadEdited, |r| {
            r.payload = r.payload.take().map(|p| p.replace("update", "delete").into())
        }),
        (Fault::PayloadEdited, |r| r.salt = Some([0; 32])),
        (Fault::PayloadEdited, |r| r.salt = None),
        (Fault::PayloadMissing, |r| r.payload = None),
        (Fault::PayloadMissing, |r| (r.payload, r.salt) = (None, None)),
    ];
    for (fault, change) in edits {
        let found = broken(|records| change(&mut records[6]));
        assert_eq!(found, Broken { seq: 7, fault: fault.clone() });
    }
    let added = broken(|records| records[0].payload = Some("{}".into()));
    assert_eq!(added, Broken { seq: 1, fault: Fault::PayloadEdited });
}

#[test]
fn missing_and_moved_records_show() {
    assert_eq!(broken(|r| _ = r.remove(0)), Broken { seq: 1, fault: Fault::TruncatedStart });
    assert_eq!(broken(|r| _ = r.remove(4)), Broken { seq: 5, fault: Fault::Missing });
    // Two records change places; so do their numbers, or the gap would show.
    let swapped = broken(|records| {
        records.swap(4, 6);
        (records[4].seq, records[6].seq) = (5, 7);
    });
    assert_eq!(swapped, Broken { seq: 5, fault: Fault::Reordered(7) });
    let inserted = broken(|records| records.insert(4, records[4].clone()));
    assert_eq!(inserted.seq, 6);
}

#[test]
fn an_anchor_shows_a_cut_end_and_a_rewrite() {
    let mut records = trail();
    let last = records.last().unwrap();
    let anchor = Head { seq: last.seq, hash: last.hash };
    assert!(checked(&records, Some(anchor), Vec::new()).is_ok());
    records.pop();
    let cut = Broken { seq: anchor.seq, fault: Fault::TruncatedEnd(anchor.seq) };
    assert_eq!(checked(&records, Some(anchor), Vec::new()).unwrap_err(), cut);
    assert!(checked(&records, None, Vec::new()).is_ok(), "without an anchor it cannot show");

    let mut head = Head { seq: records[9].seq, hash: records[9].hash };
    records.truncate(10);
    for _ in records.len() as u64..anchor.seq {
        let event = Event::HostStopped(HostStopped { reason: "forged".into() });
        records.push(Draft::new(&event).unwrap().seal(&mut head, &Moment::at(0)));
    }
    assert!(checked(&records, None, Vec::new()).is_ok());
    let rewritten = Broken { seq: anchor.seq, fault: Fault::Rewritten };
    assert_eq!(checked(&records, Some(anchor), Vec::new()).unwrap_err(), rewritten);
}

#[test]
fn a_recorded_erasure_is_no_fault() {
    let mut records = trail();
    (records[6].payload, records[6].salt) = (None, None);
    let verified = checked(&records, None, vec![7..=7]).unwrap();
    assert_eq!(verified.erased, 1);
    let erased = PayloadsErased { records: vec![7..=7, 9..=12], reason: String::new(), actor: String::new() };
    let record =
        Draft::new(&Event::PayloadsErased(erased)).unwrap().seal(&mut Head::EMPTY.clone(), &Moment::at(0));
    assert_eq!(erased_ranges(&record.body), [7..=7, 9..=12]);
}

#[test]
fn an_exported_line_is_one_json_value() {
    for record in trail() {
        let line: serde_json::Value = serde_json::from_str(&export_line(&record)).unwrap();
        assert_eq!(line["body"].to_string(), record.body);
        assert_eq!(line["seq"], record.seq);
        assert_eq!(line.get("payload").map(ToString::to_string).as_deref(), record.payload.as_deref());
        assert_eq!(line["hash"].as_str().unwrap().len(), 64);
    }
}
