//! The weights that a training begins with: those of a model's folder, and new ones where it lacks some.

use std::path::Path;

use serde::Serialize;
use tch::{Device, Kind, Tensor};

use super::labels::Labels;
use crate::skills::beto::{
    bert::{Bert, Dropout},
    config::BertConfig,
    fault::ModelFault,
    head::Head,
    weights::Weights,
};

/// Where the layer that tells the classes came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HeadOrigin {
    /// The model told these classes already.
    Kept,
    /// It is new: the model told other classes or none.
    New,
}

/// The weights by name in the order of the model, on the CPU, and where the head came from. A new layer's weights are normal with the
/// deviation that the config names, its biases zero, as transformers makes them; `seed` decides them.
///
/// # Errors
/// When the folder holds no such encoder.
pub fn weights(
    folder: &Path,
    config: &BertConfig,
    labels: &Labels,
    seed: u64,
) -> Result<(Vec<(String, Tensor)>, HeadOrigin), ModelFault> {
    let (width, classes) = (config.hidden_size, labels.0.len() as i64);
    let cpu = (Kind::Float, Device::Cpu);
    let mut weights = Weights::read(folder, Device::Cpu, Kind::Float)?;
    tch::manual_seed(seed as i64);
    let fresh = |weights: &mut Weights, name: &str, out: i64| -> Result<(), ModelFault> {
        weights.put(
            &format!("{name}.weight"),
            Tensor::f_zeros([out, width], cpu)?.f_normal_(0.0, config.initializer_range)?,
        );
        weights.put(&format!("{name}.bias"), Tensor::f_zeros([out], cpu)?);
        Ok(())
    };
    // Encoders that were trained on words alone are published without a pooler.
    if !weights.has("pooler.dense.weight", &[width, width]) {
        fresh(&mut weights, "pooler.dense", width)?;
    }
    let places = labels.places_in(config);
    let origin = match places.filter(|_| weights.has("classifier.weight", &[classes, width])) {
        Some(places) => {
            let (weight, bias) = weights.linear("classifier", classes, width)?;
            let places = Tensor::f_from_slice(&places)?;
            weights.put("classifier.weight", weight.f_index_select(0, &places)?);
            weights.put("classifier.bias", bias.f_index_select(0, &places)?);
            HeadOrigin::Kept
        }
        None => {
            fresh(&mut weights, "classifier", classes)?;
            HeadOrigin::New
        }
    };
    // A model that is made of them says which it needs, and in which order.
    let mut probe = weights.again();
    let _ = Bert::new(&mut probe, config, Dropout::NONE)?;
    let _ = Head::new(&mut probe, config, classes, Dropout::NONE)?;
    let mut weights = weights.again();
    let named = probe.taken_names().iter().filter_map(|name| Some((name.clone(), weights.remove(name)?)));
    Ok((named.collect(), origin))
}
