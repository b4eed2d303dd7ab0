//! Flags of `denselet train` for augmentation and loss.

use crate::data::Fill;
use crate::train::{ClassWeights, Finetuning, Recipe};
use std::path::PathBuf;

/// Fields of a recipe that are off by default.
#[derive(Debug, clap::Args)]
pub struct Flags {
    /// Largest shift of a training image left and right, in pixels [default: --shift]
    #[arg(long, value_name = "N")]
    shift_x: Option<usize>,
    /// Largest shift of a training image up and down, in pixels [default: --shift]
    #[arg(long, value_name = "N")]
    shift_y: Option<usize>,
    /// Content of pixels from outside a shifted training image [default: black]
    #[arg(long, value_enum, value_name = "NAME")]
    fill: Option<Fill>,
    /// Side of a square, in pixels, that the mean covers; 0: none [default: 0]
    #[arg(long, value_name = "N")]
    cutout: Option<usize>,
    /// Most rows that the mean covers: times of a spectrogram [default: 0]
    #[arg(long, value_name = "N")]
    mask_rows: Option<usize>,
    /// Most columns that the mean covers: bands of a spectrogram, times of a sensor [default: 0]
    #[arg(long, value_name = "N")]
    mask_columns: Option<usize>,
    /// Largest rotation of triples of channels (x, y, z) in space, in degrees: another placement of the sensors [default: 0]
    #[arg(long, value_name = "DEGREES")]
    turn: Option<f32>,
    /// Share by which each channel's amplitude may grow or shrink [default: 0]
    #[arg(long, value_name = "SHARE")]
    scale: Option<f32>,
    /// Standard deviation of noise, in bytes [default: 0]
    #[arg(long, value_name = "BYTES")]
    jitter: Option<f32>,
    /// Changes of brightness, contrast, angle and place per training image [default: 0]
    #[arg(long, value_name = "N")]
    operations: Option<usize>,
    /// Strength of these changes, up to 1 [default: 0]
    #[arg(long, value_name = "SHARE")]
    magnitude: Option<f32>,
    /// Blends pairs of images by shares from Beta(ALPHA, ALPHA); 0: none [default: 0]
    #[arg(long, value_name = "ALPHA")]
    mixup: Option<f32>,
    /// Puts rectangles of images into others, with areas from Beta(ALPHA, ALPHA); 0: none [default: 0]
    #[arg(long, value_name = "ALPHA")]
    cutmix: Option<f32>,
    /// Decay of a moving average of the weights at a step; the average is evaluated and exported [default: no average]
    #[arg(long, value_name = "SHARE")]
    average: Option<f32>,
    /// Batch norm uses the statistics of all ranks of `mpirun`; otherwise each rank uses its own
    #[arg(long)]
    sync_batch_norm: bool,
    /// Share of values dropped after a layer's convolutions [default: the network's]
    #[arg(long, value_name = "SHARE")]
    dropout: Option<f32>,
    /// `balanced`, or the weights of the images of each class, separated by commas [default: all 1]
    #[arg(long, value_name = "WORD|LIST")]
    class_weights: Option<ClassWeights>,
    /// A run's folder or a checkpoint that the network is distilled from [default: none]
    #[arg(long, value_name = "PATH")]
    teacher: Option<PathBuf>,
    /// Divisor of the logits of the teacher and of the network [default: 4]
    #[arg(long, value_name = "T")]
    temperature: Option<f32>,
    /// Share of the loss that is the distance from the teacher [default: 0.5]
    #[arg(long, value_name = "SHARE")]
    teacher_weight: Option<f32>,
    /// Epochs of fine-tuning in int8 after the run, into a folder of its name with -int8 after it; 0: none [default: 0]
    #[arg(long, value_name = "N")]
    finetune: Option<usize>,
}

impl Flags {
    /// Applies the given flags to a recipe.
    pub fn put(&self, recipe: &mut Recipe) {
        let augment = &mut recipe.augment;
        augment.shift_x = self.shift_x.or(augment.shift_x);
        augment.shift_y = self.shift_y.or(augment.shift_y);
        augment.fill = self.fill.unwrap_or(augment.fill);
        augment.cutout = self.cutout.unwrap_or(augment.cutout);
        augment.mask_rows = self.mask_rows.unwrap_or(augment.mask_rows);
        augment.mask_columns = self.mask_columns.unwrap_or(augment.mask_columns);
        augment.turn = self.turn.unwrap_or(augment.turn);
        augment.scale = self.scale.unwrap_or(augment.scale);
        augment.jitter = self.jitter.unwrap_or(augment.jitter);
        augment.operations = self.operations.unwrap_or(augment.operations);
        augment.magnitude = self.magnitude.unwrap_or(augment.magnitude);
        augment.mixup = self.mixup.unwrap_or(augment.mixup);
        augment.cutmix = self.cutmix.unwrap_or(augment.cutmix);
        recipe.average = self.average.or(recipe.average);
        recipe.sync_batch_norm |= self.sync_batch_norm;
        recipe.dropout = self.dropout.or(recipe.dropout);
        if self.class_weights.is_some() {
            recipe.class_weights.clone_from(&self.class_weights);
        }
        let distil = &mut recipe.distil;
        if self.teacher.is_some() {
            distil.teacher.clone_from(&self.teacher);
        }
        distil.temperature = self.temperature.unwrap_or(distil.temperature);
        distil.weight = self.teacher_weight.unwrap_or(distil.weight);
        if let Some(epochs) = self.finetune {
            let before = recipe.finetune.unwrap_or_default();
            recipe.finetune = (epochs > 0).then_some(Finetuning { epochs, ..before });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        flags: Flags,
    }

    #[test]
    fn flags_and_files_give_the_same_recipe() {
        let words = "train --shift-x 1 --shift-y 2 --fill edge --cutout 3 --mask-rows 4 --mask-columns 5 --turn 15 --scale 0.5 \
             --jitter 6 --operations 7 --magnitude 0.25 --mixup 0.2 --cutmix 0.3 --average 0.99 --dropout 0.1 \
             --class-weights balanced --teacher runs/big --temperature 2 --teacher-weight 0.75 --finetune 3 \
             --sync-batch-norm";
        let mut flagged = Recipe::default();
        Line::parse_from(words.split_whitespace()).flags.put(&mut flagged);
        let file = "average = 0.99\nsync_batch_norm = true\ndropout = 0.1\nclass_weights = \"balanced\"\n[distil]\nteacher = \"runs/big\"\n\
             temperature = 2.0\nweight = 0.75\n[finetune]\nepochs = 3\n[augment]\nshift_x = 1\nshift_y = 2\nfill = \"edge\"\ncutout = 3\n\
             mask_rows = 4\nmask_columns = 5\nturn = 15.0\nscale = 0.5\njitter = 6.0\noperations = 7\nmagnitude = 0.25\nmixup = 0.2\n\
             cutmix = 0.3\n";
        let filed = Recipe::default().with(file).unwrap();
        assert_eq!(flagged, filed);
        // Flags that are not given change nothing.
        Line::parse_from(["train"]).flags.put(&mut flagged);
        assert_eq!(flagged, filed);
    }
}
