//! `relevo datasets`: upload, list and describe.

use std::{path::PathBuf, process::ExitCode};

use clap::Subcommand;
use relevo_shared::dataset::{DatasetList, DatasetView, TableRef};
use reqwest::{Body, Method};
use tokio::fs::File;
use tokio_util::io::ReaderStream;

use super::{
    Failure,
    client::{ApiClient, Connection},
    output,
};

#[derive(Debug, Subcommand)]
pub(super) enum DatasetsCommand {
    /// Upload a CSV, Parquet or JSON lines file as a table.
    Put {
        /// Name of the dataset.
        dataset: String,
        /// The file.
        file: PathBuf,
        /// The table within the dataset.
        #[arg(long, default_value = "primary")]
        table: String,
        /// Print the whole answer as JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        connection: Connection,
    },
    /// List the datasets.
    List {
        #[command(flatten)]
        connection: Connection,
    },
    /// Describe a dataset, as JSON.
    Show {
        /// Name of the dataset.
        dataset: String,
        #[command(flatten)]
        connection: Connection,
    },
}

pub(super) async fn datasets(command: DatasetsCommand) -> Result<ExitCode, Failure> {
    match command {
        DatasetsCommand::Put { dataset, file, table, json, connection } => {
            let client = ApiClient::new(&connection)?;
            let opened = File::open(&file).await.map_err(|error| format!("cannot read {}: {error}", file.display()))?;
            let path = format!("/api/datasets/{dataset}/tables/{table}");
            let mut request = client.request(Method::PUT, &path).body(Body::wrap_stream(ReaderStream::new(opened)));
            if let Some(media) = media_type(&file) {
                request = request.header("Content-Type", media);
            }
            let table: TableRef = client.json(request).await?;
            if json {
                output::say(&serde_json::to_string(&table)?);
            } else {
                let columns = table.columns.len();
                output::say(&format!(
                    "{dataset}: {} rows, {columns} columns, commit {}",
                    table.rows,
                    &table.commit_id[..12]
                ));
            }
        }
        DatasetsCommand::List { connection } => {
            let client = ApiClient::new(&connection)?;
            let listing: DatasetList = client.json(client.request(Method::GET, "/api/datasets")).await?;
            for dataset in listing.datasets {
                output::say(&format!("{}  {}  {}", dataset.updated_at, dataset.dataset_id, dataset.tables.join(", ")));
            }
        }
        DatasetsCommand::Show { dataset, connection } => {
            let client = ApiClient::new(&connection)?;
            let view: DatasetView =
                client.json(client.request(Method::GET, &format!("/api/datasets/{dataset}"))).await?;
            output::say(&serde_json::to_string_pretty(&view)?);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What a file's ending says of it; the service looks at the bytes when it says nothing.
fn media_type(file: &std::path::Path) -> Option<&'static str> {
    match file.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "csv" | "tsv" => Some("text/csv"),
        "parquet" => Some("application/vnd.apache.parquet"),
        "jsonl" | "ndjson" => Some("application/x-ndjson"),
        _ => None,
    }
}
