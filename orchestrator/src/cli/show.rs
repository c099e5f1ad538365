//! `relevo show`: a job's result, and the first rows of the table that it wrote.

use std::process::ExitCode;

use relevo_shared::{JobId, job::JobView};
use relevo_tables::{json_rows, read_head, render_head};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    Failure,
    client::{ApiClient, Connection},
    output::{self, harmless},
};

#[derive(Debug, clap::Args)]
pub(super) struct ShowArguments {
    /// The job.
    job: JobId,
    /// Rows of its table to show; 0 for none.
    #[arg(long, default_value_t = 8)]
    rows: usize,
    /// Only these columns, separated by commas.
    #[arg(long, value_delimiter = ',')]
    columns: Vec<String>,
    /// How wide lines may be, in terminal cells.
    #[arg(long, default_value_t = 160)]
    width: usize,
    /// Print the job and the rows as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn show(arguments: ShowArguments) -> Result<ExitCode, Failure> {
    let client = ApiClient::new(&arguments.connection)?;
    let job = client.job(&arguments.job).await?;
    let rows = match output_file(&job) {
        Some(name) if arguments.rows > 0 => {
            let path = format!("/api/v1/jobs/{}/files/download/{name}", arguments.job);
            let file = client.send(client.request(Method::GET, &path)).await?.bytes().await?;
            let rows = read_head(file, arguments.rows)?;
            Some(if arguments.columns.is_empty() { rows } else { chosen(&rows, &arguments.columns)? })
        }
        _ => None,
    };
    if arguments.json {
        let rows = rows.map(|rows| json_rows(&rows)).transpose()?;
        output::say(&serde_json::to_string(&json!({"job": job, "rows": rows}))?);
        return Ok(ExitCode::SUCCESS);
    }
    output::say(&format!("{}  {}  {}", job.job_id, job.blueprint_name, job.status));
    if let Some(error) = &job.error {
        output::say(&format!("{}: {}", error.code, harmless(&error.message)));
    }
    if let Some(rows) = rows {
        output::say(&render_head(&rows, arguments.width)?);
    }
    for (name, value) in job.result.iter().filter_map(Value::as_object).flatten() {
        output::say(&format!("{name:>28}  {}", harmless(&shown(value))));
    }
    Ok(ExitCode::SUCCESS)
}

fn chosen(rows: &relevo_tables::RecordBatch, columns: &[String]) -> Result<relevo_tables::RecordBatch, Failure> {
    let schema = rows.schema();
    let places: Result<Vec<usize>, Failure> = columns
        .iter()
        .map(|name| schema.index_of(name).map_err(|_| format!("the table has no column {name:?}").into()))
        .collect();
    Ok(rows.project(&places?)?)
}

/// The name of the Parquet file among the job's files, where its result names one.
fn output_file(job: &JobView) -> Option<String> {
    let uri = job.result.as_ref()?.get("output_uri")?.as_str()?;
    let name = uri.rsplit('/').next()?;
    name.ends_with(".parquet").then(|| name.to_owned())
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
