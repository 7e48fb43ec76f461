//! Copies, and deletions of many.

use super::*;

#[tokio::test]
async fn a_copy_keeps_to_its_conditions() {
    let fixture = fixture().await;
    fixture.put("from", text("new")).await;
    let old = fixture.put("to", text("old")).await;
    let copy = |to: &str| {
        let copy = fixture.client.copy_object().copy_source(format!("{BUCKET}/from"));
        copy.bucket(BUCKET).key(to)
    };

    let refused = copy("to").if_none_match("*").send().await.unwrap_err();
    assert_eq!(code(&refused.into_service_error()), "PreconditionFailed");
    let refused = copy("to").if_match("\"0\"").send().await.unwrap_err();
    assert_eq!(code(&refused.into_service_error()), "PreconditionFailed");
    let refused = copy("from").send().await.unwrap_err();
    assert_eq!(code(&refused.into_service_error()), "InvalidRequest");
    assert_eq!(fixture.get("to").await.unwrap(), b"old");

    copy("elsewhere").if_none_match("*").send().await.unwrap();
    copy("to").if_match(old).send().await.unwrap();
    for key in ["elsewhere", "to", "from"] {
        assert_eq!(fixture.get(key).await.unwrap(), b"new", "{key}");
    }
}

#[tokio::test]
async fn a_thousand_are_deleted_at_once_and_no_more() {
    let fixture = fixture().await;
    fixture.put("0", text("kept")).await;
    let keys = |range: std::ops::Range<u32>| {
        let object = |number: u32| ObjectIdentifier::builder().key(number.to_string()).build().unwrap();
        Delete::builder()
            .set_objects(Some(range.map(object).collect()))
            .build()
            .unwrap()
    };
    let delete = |range| fixture.client.delete_objects().bucket(BUCKET).delete(keys(range));
    let refused = delete(0..1001).send().await.unwrap_err();
    assert_eq!(code(&refused.into_service_error()), "MalformedXML");
    assert!(fixture.get("0").await.is_some());
    assert_eq!(delete(0..1000).send().await.unwrap().deleted().len(), 1000);
    assert!(fixture.get("0").await.is_none());
}
