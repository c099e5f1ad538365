//! One object less.

use aws_sdk_s3::Client;

use super::{Address, refusal::refusal};
use crate::skills::SkillError;

/// Removes the object, if there is one.
pub(super) async fn remove(client: &Client, address: &Address) -> Result<(), SkillError> {
    let delete = client.delete_object().bucket(&address.bucket).key(&address.key);
    delete.send().await.map(drop).map_err(|fault| refusal(&fault, address))
}
