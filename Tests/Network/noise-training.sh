# shellcheck shell=bash
# A training for measurements: ViT-B/16 on 100 classes of noise, without tests and without anything that is kept.
# Sourced, not run.

# noise_training MODEL DATA STEPS: arguments of `skiptune train` into noise_arguments.
noise_training() {
  # shellcheck disable=SC2034 # Those who source this read it.
  noise_arguments=(
    train --log-level warning --set "model.path=$1" --set "data.root=$2" --set data.name=noise
    --set data.image_root=images --set data.split_file=split.json --set task=all-classes
    --set "limits.max_steps=$3" --set evaluate.zero_shot=false --set evaluate.tuned=false
    --set output.save_model=false --set checkpoint.every_epochs=0
  )
}
