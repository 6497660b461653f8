//! Inspectors: events come through, nonsense ends the session.

use crate::support::*;
use weir_model::{Fault, FaultSource};
use weir_session::ports::Inspector;
use weir_session::traffic::{Masked, kind};

#[tokio::test]
async fn lines_become_operations_and_go_back() {
    let house = usual_house().await;
    let mut inspector = house.session("s1").await.inspector;
    let outcome = inspector.client(b"one\ntwo\nthr", false).await.unwrap();
    let kinds: Vec<_> = outcome.events.iter().map(|event| (event.kind, event.len, event.reference)).collect();
    assert_eq!(kinds, [(kind::OPERATION, 4, 0), (kind::OPERATION, 4, 1)]);
    assert_eq!(outcome.operations[1].operation.text, "two");
    assert_eq!((outcome.operations[0].id, outcome.operations[1].id), (1, 2));

    let shape = inspector.server(b"shape\n", false, 1).await.unwrap();
    assert_eq!(shape.shapes[0][0].type_id, 25);
    assert_eq!(shape.cells, [0, 5, 0, u32::MAX]);
    inspector.want(&[0], 1).await.unwrap();
    let masked = Masked { cells: vec![0], texts: b"XX".to_vec(), ends: vec![2], applied: vec![] };
    assert_eq!(inspector.edit(b"data", &rows_in(4), &masked).await.unwrap(), b"data|1|XX");

    let why = Fault::new(FaultSource::Policy, "bulk-write", "not so many").with_detail("secret");
    assert_eq!(inspector.refuse(2, &why).await.unwrap().client, b"refused 2: not so many\n");
    let (instead, operation) = inspector.rewrite(1, "three").await.unwrap();
    assert_eq!((instead.upstream.as_slice(), operation.text.as_str()), (&b"three\n"[..], "three"));
    assert_eq!(inspector.notice("wait").await.unwrap(), b"notice: wait (1 parameters)\n");
    assert_eq!(inspector.closing(&why).await.unwrap(), b"closing: not so many\n");
    assert_eq!(inspector.judged_by().answer, "inspect");
}

#[tokio::test]
async fn nonsense_from_an_inspector_is_a_fault_and_its_end() {
    let house = usual_house_with(|spec| spec.limits.output_bytes = Some(4 << 20)).await;
    for (line, code) in [
        ("!panic\n", "plugin-trap"),
        ("!loop\n", "plugin-timeout"),
        ("!events\n", "plugin-output"),
        ("!kind\n", "plugin-contract"),
        ("!operation\n", "plugin-contract"),
        ("!insert\n", "plugin-contract"),
        ("!insert-instead\n", "plugin-contract"),
        ("!refused\n", "plugin-contract"),
        ("!zero\n", "plugin-contract"),
    ] {
        let mut inspector = house.session("s1").await.inspector;
        let fault = inspector.client(line.as_bytes(), false).await.expect_err(line);
        assert_eq!(fault.code, code, "{line}: {fault:?}");
        let after = inspector.client(b"one\n", false).await.expect_err(line);
        assert_eq!(after.code, "plugin-gone", "{line}");
        assert_eq!(inspector.closing(&after).await.unwrap_err().code, "plugin-gone");
    }
    for line in ["!kind\n", "!shape\n", "!done\n", "!status\n", "!half\n", "!cell\n", "!decoded\n"] {
        let mut inspector = house.session("s1").await.inspector;
        let fault = inspector.server(line.as_bytes(), false, 1).await.expect_err(line);
        assert_eq!(fault.code, "plugin-contract", "{line}: {fault:?}");
    }
}

#[tokio::test]
async fn a_fault_is_not_its_end_and_refusals_are_disarmed() {
    let house = usual_house().await;
    let mut inspector = house.session("s1").await.inspector;
    let fault = inspector.client(b"!fault\n", false).await.unwrap_err();
    assert_eq!((fault.code.as_str(), fault.detail.as_str()), ("plugin-fault", "client: no: told to refuse"));
    let outcome = inspector.client(b"!fatal\n", false).await.unwrap();
    let refusal = &outcome.refusals[0];
    assert_eq!((refusal.code.as_str(), refusal.message.as_str()), ("bad", "cannotgo on"));
    assert_eq!(refusal.source, FaultSource::Client);
}

#[tokio::test]
async fn a_call_that_is_given_up_kills_the_instance() {
    let house = usual_house().await;
    let mut inspector = house.session("s1").await.inspector;
    {
        let call = inspector.client(b"!loop\n", false);
        tokio::pin!(call);
        // Polled once, so that the guest is in the middle of it; it gives way at the first tick.
        tokio::select! {
            biased;
            _ = &mut call => panic!("it loops"),
            () = std::future::ready(()) => {}
        }
    }
    assert_eq!(inspector.client(b"one\n", false).await.unwrap_err().code, "plugin-gone");
}

#[tokio::test]
async fn a_pipeline_needs_exactly_one_inspector() {
    let house = usual_house().await;
    for (pipeline, detail) in [
        (&["policy"][..], "no inspector in the pipeline of customers"),
        (&["inspector", "inspector"][..], "several inspectors in the pipeline of customers"),
    ] {
        let fault = house.open("s1", pipeline).await.err().unwrap();
        assert_eq!((fault.code.as_str(), fault.detail.as_str()), ("pipeline", detail));
    }
}
