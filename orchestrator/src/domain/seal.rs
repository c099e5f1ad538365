//! The signature that a worker may put into a body: HMAC-SHA256 over the rest of the body, with its token as the key.
//!
//! The token travels beside the body, so the signature proves nothing to one who does not trust the line: it shows that a
//! body arrived as it was sent.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Number, Value};
use sha2::Sha256;

/// Members that are not signed.
const UNSIGNED: [&str; 3] = ["security", "_signature", "bubbling_chain"];

/// What a body says of its signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seal {
    /// It has none.
    Absent,
    /// It has the one that this token makes.
    Right,
    /// It has another one.
    Wrong,
}

/// Looks at the signature of a JSON body.
#[must_use]
pub fn seal(body: &[u8], token: &str) -> Seal {
    // What is no object has no place for a signature.
    let Ok(mut members) = serde_json::from_slice::<Map<String, Value>>(body) else { return Seal::Absent };
    let signature = members.get("security").and_then(|security| security.get("signature")?.as_str());
    let Some(signature) = signature else { return Seal::Absent };
    let Ok(signature) = hex::decode(signature) else { return Seal::Wrong };
    members.retain(|name, _| !UNSIGNED.contains(&name.as_str()));
    let mut mac = Hmac::<Sha256>::new_from_slice(token.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(canonical(Value::Object(members)).to_string().as_bytes());
    if mac.verify_slice(&signature).is_ok() { Seal::Right } else { Seal::Wrong }
}

/// The form in which a body is signed: names in order, no members that are null, whole numbers without a fraction.
fn canonical(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let present = members.into_iter().filter(|(_, value)| !value.is_null());
            let mut members: Vec<_> = present.map(|(name, value)| (name, canonical(value))).collect();
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            members.into_iter().collect()
        }
        Value::Array(items) => items.into_iter().map(canonical).collect(),
        Value::Number(number) => Value::Number(without_fraction(number)),
        other => other,
    }
}

/// A number that is whole as an integer; those that no integer can hold stay as they are.
fn without_fraction(number: Number) -> Number {
    if !number.is_f64() {
        return number;
    }
    let whole = number.as_f64().filter(|number| number.fract() == 0.0).map(|number| format!("{number:.0}"));
    whole.and_then(|text| text.parse::<i64>().ok()).map_or(number, Number::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body as a worker of the field sent it, with the token `sekret`.
    const SEALED: &str = r#"{"error":{"code":"TRANSIENT_ERROR","message":"boom"},"job_id":"j2","origin_worker_id":"w1","security":{"signature":"f65fa9a895abb632047431f4778ed7c822f094453e8661551d3217f0f35d4ae3","signer_id":"w1"},"status":"failure","task_id":"t2","timestamp":1795239358,"worker_id":"w1"}"#;

    #[test]
    fn a_body_from_the_field_is_found_right_and_a_changed_one_wrong() {
        assert_eq!(seal(SEALED.as_bytes(), "sekret"), Seal::Right);
        assert_eq!(seal(SEALED.as_bytes(), "another"), Seal::Wrong);
        assert_eq!(seal(SEALED.replace("boom", "bang").as_bytes(), "sekret"), Seal::Wrong);
        assert_eq!(seal(SEALED.replace("f65f", "zz5f").as_bytes(), "sekret"), Seal::Wrong);
    }

    #[test]
    fn numbers_are_signed_in_one_form() {
        let body = r#"{"costs":{"execution_time_seconds":0.0002},"data":{"a":1},"job_id":"j1","origin_worker_id":"w1","security":{"signature":"ac4e19ef80899aa33d9593aed9469068b6ea686257d7948ee7ccacf36c81b5bf","signer_id":"w1"},"status":"strange","task_id":"t1","timestamp":1795239358,"worker_id":"w1"}"#;

        assert_eq!(seal(body.as_bytes(), "sekret"), Seal::Right);
        assert_eq!(seal(body.replace(r#""a":1"#, r#""a":1.0,"none":null"#).as_bytes(), "sekret"), Seal::Right);
        assert_eq!(seal(body.replace("0.0002", "0.0003").as_bytes(), "sekret"), Seal::Wrong);
    }

    #[test]
    fn white_space_and_the_way_of_a_message_are_not_signed() {
        let spaced = r#"{"bubbling_chain": ["x"], "event_id": "20675388-c246-4503-9f05-c2cc44435c6b", "event_type": "progress", "origin_task_id": "t1", "origin_worker_id": "w1", "payload": {"message": "half", "progress": 0.5}, "priority": 0, "security": {"signature": "e6ca191d43c9dc2ea969666c447695205e9e674d2555026a0a11751faf36bc70", "signer_id": "w1"}, "target_job_id": "j1", "target_task_id": "t1", "timestamp": 1795240766, "trace_context": {}, "worker_id": "w1"}"#;

        assert_eq!(seal(spaced.as_bytes(), "sekret"), Seal::Right);
    }

    #[test]
    fn a_body_without_a_signature_says_so() {
        for body in ["{}", "", "[]", r#"{"security":null}"#, r#"{"security":{"signer_id":"w"}}"#] {
            assert_eq!(seal(body.as_bytes(), "sekret"), Seal::Absent, "{body}");
        }
    }
}
