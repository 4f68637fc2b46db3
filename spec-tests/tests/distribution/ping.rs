//! `/v2/`: does the registry speak this protocol?

use spec_tests::Registry;

#[test]
fn get_says_that_the_protocol_is_spoken() {
    let registry = Registry::start();
    let answer = registry.get("/v2/").send().expect(200);
    assert_eq!(
        answer.header("docker-distribution-api-version"),
        Some("registry/2.0")
    );
}

#[test]
fn head_is_answered_like_get() {
    let registry = Registry::start();
    let answer = registry.head("/v2/").send().expect(200);
    assert!(answer.body.is_empty());
    assert_eq!(
        answer.header("docker-distribution-api-version"),
        Some("registry/2.0")
    );
}
