//! Throughput of `beto.preprocess`'s path from a table to verdicts: reading, cleaning, tokenising, inference.
//!
//! Meant to be driven by `tests/bench/beto_pipeline.py`, which measures transformers on the same model and table in turn:
//! `cargo bench -p relevo-worker --bench beto -- MODEL TABLE fp32|bf16 [ROUNDS]`. Prints one JSON object.

use std::{error::Error, path::Path, sync::Arc, time::Instant};

use relevo_worker::{
    device::{Device, DeviceSettings},
    models::ModelFolder,
    skills::beto::{
        classifier::Classifier,
        clean::Comment,
        inference::Inference,
        table::Rows,
        tokens::{BertTokenizer, Tokens},
    },
};
use serde_json::json;
use tch::Kind;

const MAX_LENGTH: usize = 128;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Cargo puts `--bench` among the arguments.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [model, table, dtype, rounds @ ..] = arguments.as_slice() else {
        println!("nothing measured: give a model folder, a table and fp32 or bf16");
        return Ok(());
    };
    let rounds: usize = rounds.first().map_or(Ok(1), |rounds| rounds.parse())?;
    let kind = match dtype.as_str() {
        "fp32" => Kind::Float,
        "bf16" => Kind::BFloat16,
        other => return Err(format!("{other}: must be fp32 or bf16").into()),
    };
    let device = Device::start(&DeviceSettings { torch_cuda: None, model_bytes: 2 << 30 })?;
    let folder = ModelFolder { name: model.clone(), path: model.into(), content_hash: model.clone() };
    let inference = Inference::new(device, folder, kind, None);
    inference.load().await?;
    judge(&inference, Path::new(model), Path::new(table)).await?;

    let mut seconds = Vec::with_capacity(rounds);
    let mut judged = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let began = Instant::now();
        judged = judge(&inference, Path::new(model), Path::new(table)).await?;
        seconds.push(began.elapsed().as_secs_f64());
    }
    let (tokens, logits) = judged;
    let agreement = inference.agreement_with_fp32(&tokens, &logits).await?;
    println!("{}", json!({ "seconds": seconds, "logits": logits, "label_agreement_fp32": agreement }));
    Ok(())
}

type Judged = (Vec<Arc<Tokens>>, Vec<[f32; 3]>);

async fn judge(inference: &Inference<Classifier>, model: &Path, table: &Path) -> Result<Judged, Box<dyn Error>> {
    let rows = Rows::read(table, &relevo_tables::describe(table, None)?, None)?;
    let comments: Vec<Comment> = rows.texts.into_iter().map(|text| Comment::new(text, true, 1)).collect();
    let texts: Vec<&str> = comments.iter().map(|comment| comment.clean.as_str()).collect();
    let tokens: Vec<Arc<Tokens>> =
        BertTokenizer::read(model)?.encode(&texts, MAX_LENGTH)?.into_iter().map(Arc::new).collect();
    let logits = inference.run(&tokens, Classifier::logits, |_, _| false).await?;
    Ok((tokens, logits))
}
