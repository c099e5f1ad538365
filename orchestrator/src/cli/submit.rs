//! `relevo submit`: creates a job.

use std::process::ExitCode;

use relevo_shared::job::{CreateJob, JobAccepted};
use reqwest::Method;
use serde_json::{Map, Value};

use super::{
    Failure,
    client::{ApiClient, Connection},
    output,
};

#[derive(Debug, clap::Args)]
pub(super) struct SubmitArguments {
    /// Name of the blueprint.
    blueprint: String,
    /// Dataset that the job reads.
    #[arg(long)]
    dataset: Option<String>,
    /// A parameter, for example `threshold=0.8`; given again for more. JSON where it is JSON, else text.
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parameter)]
    parameters: Vec<(String, Value)>,
    /// Print the whole answer as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

fn parameter(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    Ok((name.to_owned(), value))
}

pub(super) async fn submit(arguments: SubmitArguments) -> Result<ExitCode, Failure> {
    let client = ApiClient::new(&arguments.connection)?;
    let mut initial_data: Map<String, Value> = arguments.parameters.into_iter().collect();
    if let Some(dataset) = arguments.dataset {
        initial_data.insert("dataset_id".to_owned(), dataset.into());
    }
    let body = CreateJob { initial_data: Some(initial_data), ..CreateJob::default() };
    let path = format!("/api/v1/jobs/{}", arguments.blueprint);
    let accepted: JobAccepted = client.json(client.request(Method::POST, &path).json(&body)).await?;
    if arguments.json {
        output::say(&serde_json::to_string(&accepted)?);
    } else {
        output::say(&accepted.job_id.to_string());
    }
    Ok(ExitCode::SUCCESS)
}
