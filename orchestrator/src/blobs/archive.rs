//! The bucket as the archive of the store.

use bytes::Bytes;

use super::{BlobError, Blobs};
use crate::store::{Archive, Archiving};

impl Archive for Blobs {
    fn write(&self, name: &str, bytes: Bytes) -> Archiving<'_, ()> {
        let request = self.client.put_object().bucket(&self.bucket).key(name).body(bytes.into());
        Box::pin(async move {
            request.send().await.map_err(|error| BlobError::from(error).to_string())?;
            Ok(())
        })
    }

    fn read(&self, name: &str, offset: u64, length: u64) -> Archiving<'_, Bytes> {
        let name = name.to_owned();
        Box::pin(async move {
            let last = (offset + length).saturating_sub(1);
            self.read_range(&name, offset, last).await.map_err(|error| error.to_string())
        })
    }

    fn remove(&self, name: &str) -> Archiving<'_, ()> {
        let name = name.to_owned();
        Box::pin(async move { Self::remove(self, &name).await.map_err(|error| error.to_string()) })
    }
}
