//! The weights that a training begins with: those of a model's folder, and new ones where it lacks some.

use std::path::Path;

use fastrand::Rng;
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
    let mut weights = Weights::read(folder, Device::Cpu, Kind::Float)?;
    let mut rng = Rng::with_seed(seed);
    let mut fresh = |weights: &mut Weights, name: &str, out: i64| -> Result<(), ModelFault> {
        let numbers = normal(&mut rng, (out * width) as usize, config.initializer_range);
        weights.put(&format!("{name}.weight"), Tensor::f_from_slice(&numbers)?.f_view([out, width])?);
        weights.put(&format!("{name}.bias"), Tensor::f_zeros([out], (Kind::Float, Device::Cpu))?);
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

/// Normal numbers around zero (Box & Muller 1958). Not from libtorch's generator, which others draw from too.
fn normal(rng: &mut Rng, count: usize, deviation: f64) -> Vec<f32> {
    let one = |_| {
        // From above 0, of which there is no logarithm, up to 1.
        let (u, v) = (1.0 - rng.f64(), rng.f64());
        (deviation * (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
    };
    (0..count).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(names: [&str; 3]) -> Labels {
        Labels(names.map(str::to_owned).to_vec())
    }

    fn golden() -> std::path::PathBuf {
        concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/beto").into()
    }

    fn begun(folder: &Path, labels: &Labels, seed: u64) -> (Vec<(String, Tensor)>, HeadOrigin) {
        weights(folder, &BertConfig::read(folder).unwrap(), labels, seed).unwrap()
    }

    fn numbers(weights: &[(String, Tensor)], name: &str) -> Vec<f32> {
        let (_, tensor) = weights.iter().find(|(found, _)| found == name).unwrap();
        Vec::<f32>::try_from(tensor.view(-1)).unwrap()
    }

    #[test]
    fn a_head_that_tells_the_classes_is_kept_in_their_order() {
        let (same, origin) = begun(&golden(), &labels(["NEG", "NEU", "POS"]), 1);
        let (turned, _) = begun(&golden(), &labels(["POS", "NEG", "NEU"]), 1);

        assert_eq!(origin, HeadOrigin::Kept);
        let (same, turned) = (numbers(&same, "classifier.bias"), numbers(&turned, "classifier.bias"));
        assert_eq!(turned, [same[2], same[0], same[1]]);
    }

    #[test]
    fn what_the_model_lacks_is_new_and_follows_the_seed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(golden().join("config.json"), folder.path().join("config.json")).unwrap();
        // As an encoder is published that was trained on words alone.
        let mut tensors = Tensor::read_safetensors(golden().join("model.safetensors")).unwrap();
        tensors.retain(|(name, _)| !name.contains("pooler") && !name.contains("classifier"));
        tensors.push(("cls.predictions.bias".to_owned(), Tensor::zeros([146], (Kind::Float, Device::Cpu))));
        let named: Vec<(&String, &Tensor)> = tensors.iter().map(|(name, tensor)| (name, tensor)).collect();
        Tensor::write_safetensors(&named, folder.path().join("model.safetensors")).unwrap();
        let classes = labels(["NEG", "NEU", "POS"]);

        let (fresh, origin) = begun(folder.path(), &classes, 1);

        assert_eq!(origin, HeadOrigin::New);
        assert!(fresh.iter().all(|(name, _)| !name.starts_with("cls.")));
        let pooler = numbers(&fresh, "pooler.dense.weight");
        let spread = (pooler.iter().map(|x| x * x).sum::<f32>() / pooler.len() as f32).sqrt();
        assert!((spread - 0.02).abs() < 0.002, "{spread}");
        assert_eq!(numbers(&fresh, "classifier.bias"), [0.0; 3]);
        assert_eq!(pooler, numbers(&begun(folder.path(), &classes, 1).0, "pooler.dense.weight"));
        assert_ne!(pooler, numbers(&begun(folder.path(), &classes, 2).0, "pooler.dense.weight"));
    }
}
