//! `s3://bucket/key`, read and checked.

use std::fmt;

use crate::skills::SkillError;

/// Where an object is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) bucket: String,
    pub(super) key: String,
}

impl Address {
    pub(super) fn read(uri: &str) -> Result<Self, SkillError> {
        let parts = uri.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
        match parts.filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty()) {
            Some((bucket, key)) => Ok(Self { bucket: bucket.to_owned(), key: key.to_owned() }),
            None => Err(SkillError::InvalidInput {
                message: format!("`{uri}` must have the form s3://bucket/key"),
                details: Vec::new(),
            }),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_bucket_and_a_key() {
        let address = Address::read("s3://data/jobs/1/a b.csv").unwrap();

        assert_eq!((address.bucket.as_str(), address.key.as_str()), ("data", "jobs/1/a b.csv"));
        assert_eq!(address.to_string(), "s3://data/jobs/1/a b.csv");
    }

    #[test]
    fn anything_else_is_refused_by_its_text() {
        for wrong in ["/etc/passwd", "https://data/key", "s3://data", "s3://data/", "s3:///key"] {
            let told = Address::read(wrong).unwrap_err().to_string();
            assert!(told.contains(wrong), "{told}");
        }
    }
}
