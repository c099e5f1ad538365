//! Likelihoods, against a loop over all states, and annealed importance sampling against both.

use relevo_worker::skills::{
    boltzmann::machine::{Effort, Family, Machine, Method, PseudoMethod, Settings, Visible},
    torch::Chance,
};
use tch::{Device, Kind, Tensor};

use crate::{
    bench::{fresh, lively, settings},
    flat::{Flat, numbers, rows_of},
};

const ROWS: [usize; 5] = [0, 0b1111, 0b101, 0b110011, 0b11_0000];
const ANNEALED: Effort = Effort { chains: 200, temperatures: 400, enumerate_up_to: 0 };

fn machines() -> Vec<(Settings, f64)> {
    vec![
        (settings(Family::Rbm, 6, &[5]), 1.0),
        // More hidden units than visible ones: the visible ones are counted.
        (settings(Family::Rbm, 6, &[8]), 1.0),
        (settings(Family::Bm, 6, &[4]), 0.7),
        (settings(Family::Dbm, 6, &[4, 3]), 0.8),
        (settings(Family::Dbm, 6, &[4, 3, 2]), 0.8),
    ]
}

#[test]
fn counted_likelihoods_are_exact() {
    for (settings, spread) in machines() {
        let trainer = lively(&settings, spread, 5);
        let flat = Flat::of(trainer.machine());

        let found = trainer.machine().log_likelihood(&rows_of(&ROWS, 6), Effort::default(), 1).unwrap();

        assert_eq!((found.method, found.lower_bound), (Method::Exact, false));
        assert!((found.log_z - flat.log_sum(None)).abs() < 1e-5, "{found:?} of {settings:?}");
        assert!((found.mean_nats - flat.log_likelihood(&ROWS)).abs() < 1e-5, "{found:?} of {settings:?}");
        assert_eq!((found.log_z_low, found.log_z_high), (found.log_z, found.log_z));
    }
}

#[test]
fn annealed_partition_functions_lie_around_the_exact_ones() {
    for (settings, spread) in machines() {
        let trainer = lively(&settings, spread, 6);
        let exact = Flat::of(trainer.machine()).log_sum(None);

        let found = trainer.machine().log_likelihood(&rows_of(&ROWS, 6), ANNEALED, 1).unwrap();

        assert_eq!(found.method, Method::Ais);
        assert!((found.log_z_low..found.log_z_high).contains(&exact), "{found:?}, exactly {exact}, of {settings:?}");
        assert!(found.log_z_high - found.log_z_low < 0.3, "{found:?} of {settings:?}");
    }
}

#[test]
fn annealing_agrees_with_counting_for_real_valued_units() {
    for family in [Family::Rbm, Family::Dbm] {
        let hidden: &[i64] = if family == Family::Rbm { &[6] } else { &[5, 4] };
        let settings = Settings { visible: Visible::Gaussian, ..settings(family, 4, hidden) };
        let trainer = lively(&settings, 0.6, 7);
        let rows = Tensor::randn([50, 4], (Kind::Float, Device::Cpu));

        let exact = trainer.machine().log_likelihood(&rows, Effort::default(), 1).unwrap();
        let found = trainer.machine().log_likelihood(&rows, ANNEALED, 1).unwrap();

        assert_eq!((exact.method, found.method), (Method::Exact, Method::Ais));
        assert!((found.log_z_low..found.log_z_high).contains(&exact.log_z), "{found:?}, exactly {exact:?}");
        assert!(found.log_z_high - found.log_z_low < 0.3, "{found:?}");
    }
}

#[test]
fn a_real_valued_machine_without_weights_is_a_normal_distribution() {
    let settings = Settings { visible: Visible::Gaussian, ..settings(Family::Rbm, 3, &[2]) };
    let tensors = [
        ("bias.0", Tensor::from_slice(&[1.0_f32, -2.0, 0.5])),
        ("bias.1", Tensor::from_slice(&[0.3_f32, -0.7])),
        ("weight.0", Tensor::zeros([3, 2], (Kind::Float, Device::Cpu))),
    ];
    let tensors = tensors.into_iter().map(|(name, tensor)| (name.to_owned(), tensor));
    let machine = Machine::from_tensors(&settings, tensors, Device::Cpu).unwrap();

    let row = Tensor::from_slice(&[1.5_f32, -2.0, 0.0]).view([1, 3]);
    let found = machine.log_likelihood(&row, Effort::default(), 1).unwrap();

    let expected = -0.5 * (0.25 + 0.0 + 0.25) - 1.5 * std::f64::consts::TAU.ln();
    assert!((found.mean_nats - expected).abs() < 1e-6, "{found:?}, exactly {expected}");
}

#[test]
fn free_energies_of_an_rbm_are_exact_and_others_bounds() {
    for (settings, spread) in machines() {
        let trainer = lively(&settings, spread, 8);
        let flat = Flat::of(trainer.machine());

        let found = numbers(&trainer.machine().free_energy(&rows_of(&ROWS, 6)).unwrap());

        for (&row, found) in ROWS.iter().zip(found) {
            let exact = -flat.log_sum(Some(row));
            let tolerance = if settings.family == Family::Rbm { 1e-5 } else { 0.5 };
            assert!((exact - 1e-5..exact + tolerance).contains(&found), "{found}, exactly {exact}, of {settings:?}");
        }
    }
}

#[test]
fn pseudo_likelihoods_are_those_of_each_bit_given_the_others() {
    let trainer = lively(&settings(Family::Rbm, 6, &[5]), 1.0, 9);
    let flat = Flat::of(trainer.machine());
    let of_bit = |row: usize, bit: usize| {
        let (own, flipped) = (flat.log_sum(Some(row)), flat.log_sum(Some(row ^ (1 << bit))));
        own - (own.exp() + flipped.exp()).ln()
    };
    let exact = ROWS.iter().map(|&row| (0..6).map(|bit| of_bit(row, bit)).sum::<f64>()).sum::<f64>() / 5.0;

    let mut chance = Chance::seeded(1, [0, 0, 0]);
    let (every, how) = trainer.machine().pseudo_log_likelihood(&rows_of(&ROWS, 6), &mut chance).unwrap().unwrap();
    // So many rows that one bit of each is looked at.
    let rows = rows_of(&ROWS, 6).repeat([300_000, 1]);
    let (one, how_many) = trainer.machine().pseudo_log_likelihood(&rows, &mut chance).unwrap().unwrap();

    assert_eq!((how, how_many), (PseudoMethod::EveryBit, PseudoMethod::OneBit));
    assert!((every - exact).abs() < 1e-4, "{every}, exactly {exact}");
    assert!((one - exact).abs() < 0.02, "{one}, exactly {exact}");
}

#[test]
fn an_estimate_is_the_same_for_the_same_seed_and_another_for_another() {
    let trainer = lively(&settings(Family::Dbm, 6, &[4, 3]), 0.8, 10);
    let estimate = |seed| trainer.machine().log_likelihood(&rows_of(&ROWS, 6), ANNEALED, seed).unwrap().log_z;

    assert_eq!(estimate(1).to_bits(), estimate(1).to_bits());
    assert_ne!(estimate(1).to_bits(), estimate(2).to_bits());
}

#[test]
fn rows_and_tensors_of_another_width_are_refused_with_both_widths() {
    let rbm = settings(Family::Rbm, 6, &[5]);
    let trainer = fresh(&rbm);
    let wider = Settings { n_visible: 7, ..rbm.clone() };

    let rows = trainer.machine().hidden(&rows_of(&ROWS, 5)).unwrap_err().to_string();
    let tensors = Machine::from_tensors(&wider, trainer.machine().tensors(), Device::Cpu).unwrap_err().to_string();
    let missing = Machine::from_tensors(&rbm, Vec::new(), Device::Cpu).unwrap_err().to_string();

    assert_eq!(rows, "the rows have the shape [5, 5]; this machine reads rows of 6 columns");
    assert_eq!(tensors, "the machine's tensor bias.0 has the shape [6]; its settings ask for [7]");
    assert_eq!(missing, "the machine lacks the tensor bias.0; its settings ask for one of shape [6]");
}

#[test]
fn likelihoods_by_the_variational_bound_are_said_to_be_bounds_and_sum_to_less_than_one() {
    // So many hidden units that they are not counted for a row, while visible and top units decide the partition function.
    let trainer = lively(&settings(Family::Dbm, 6, &[25, 5]), 0.3, 11);
    let every_row = 0..1_usize << 6;

    let total: f64 = every_row
        .map(|row| {
            let found = trainer.machine().log_likelihood(&rows_of(&[row], 6), Effort::default(), 1).unwrap();
            assert_eq!((found.method, found.lower_bound), (Method::Exact, true));
            found.mean_nats.exp()
        })
        .sum();

    assert!((0.5..1.0).contains(&total), "{total}");
}
