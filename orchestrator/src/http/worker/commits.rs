//! A worker makes a table that it has computed a commit of a dataset.

use axum::{Json, extract::State};
use relevo_shared::{TaskId, dataset::TableRef, worker::TableCommit};

use super::{
    super::{App, body, openapi},
    access::Signed,
};
use crate::{
    error::{Error, Result},
    intake,
    store::LeaseAnswer,
};

/// Makes a table that lies in S3 a commit of a dataset, and lets a ref point at it.
///
/// The worker must hold the task. The same table again gives the commit that it gave before, so it may be sent until an
/// answer comes. What the client of the job may do was asked when the job was created, and is not asked here.
#[utoipa::path(
    post,
    path = "/_worker/tasks/{task_id}/commits",
    tag = "workers",
    operation_id = "commit_table",
    params(("task_id" = TaskId, Path, description = "The task that computed the table.")),
    request_body = TableCommit,
    responses(
        (status = 200, description = "The table at its commit, as it is kept.", body = TableRef),
        openapi::NotFound,
        openapi::LeaseLost,
        openapi::BadBody,
        openapi::NoStorage,
    )
)]
pub(in crate::http) async fn commit(
    State(app): State<App>,
    body::Path(task): body::Path<String>,
    Signed(auth, new): Signed<TableCommit>,
) -> Result<Json<TableRef>> {
    auth.check(&new.worker_id)?;
    let blobs = app.blobs()?;
    let not_found = || Error::NotFound(format!("there is no task {task:?}"));
    let id: TaskId = task.parse().map_err(|_| not_found())?;
    match app.store.keep_lease(id, &new.worker_id, new.lease_token).await? {
        LeaseAnswer::Accepted => intake::adopt_table(&app.store, blobs, new).await.map(Json),
        LeaseAnswer::Cancelled => Err(Error::Conflict("task_cancelled", format!("task {id} is cancelled"))),
        LeaseAnswer::LeaseLost => Err(Error::LeaseLost(id.to_string())),
        LeaseAnswer::Missing => Err(not_found()),
    }
}
