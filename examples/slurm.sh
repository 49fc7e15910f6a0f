#!/bin/bash
# One run on all nodes of a Slurm allocation: sbatch examples/slurm.sh owls
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=32
#SBATCH --time=12:00:00
export RAY_ADDRESS="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1):6379"
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" ray symmetric-run --address "$RAY_ADDRESS" \
    --min-nodes "$SLURM_JOB_NUM_NODES" --num-cpus "$SLURM_CPUS_PER_TASK" -- undertone run "$@" --on ray
