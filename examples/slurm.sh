#!/bin/bash
# One run on all nodes of a Slurm allocation: sbatch examples/slurm.sh owls
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=32
#SBATCH --time=12:00:00
head="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1):6379"
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" ray symmetric-run --address "$head" --min-nodes "$SLURM_JOB_NUM_NODES" \
    --num-cpus "$SLURM_CPUS_PER_TASK" -- env RAY_ADDRESS=auto undertone run "$@" --on ray
