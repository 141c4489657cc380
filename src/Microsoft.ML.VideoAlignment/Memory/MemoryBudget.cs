using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Memory;

/// <summary>Fits the options of a run to the memory that it may take.</summary>
internal static class MemoryBudget
{
    /// <summary>
    /// Replaces options by those of a plan: within <see cref="MemoryOptions.Budget"/>, else within the free memory of a GPU, where options that fit are left
    /// as they are.
    /// </summary>
    /// <param name="model">The base model, on the device of the run.</param>
    /// <param name="options">The options of the run.</param>
    /// <param name="reward">The reward.</param>
    /// <param name="device">The device of the run.</param>
    /// <param name="inform">Receives the plan in words.</param>
    /// <param name="warn">Receives that no plan fits the free memory.</param>
    /// <exception cref="InsufficientMemoryException">No plan fits a budget that was given.</exception>
    public static VideoAlignmentOptions Apply(
        VideoDiffusionModel model, VideoAlignmentOptions options, VideoReward reward, IComputeDevice device, Action<string> inform, Action<string> warn)
    {
        if (options.Memory.Budget is { } given)
        {
            MemoryPlan plan = new MemoryPlanner(model, options, given, reward, device).Find();
            inform(plan.Describe());
            return plan.Options;
        }

        if (ReadFree(model, reward, device) is not { } free)
        {
            return options;
        }

        MemoryPlanner planner;
        MemoryPlan found;
        try
        {
            planner = new MemoryPlanner(model, options, free, reward, device) { KeepsOptionsThatFit = true };
            found = planner.Search();
        }
        catch (Exception error)
        {
            inform($"Memory is not planned: {error.Message}");
            return options;
        }

        inform(found.Describe());
        if (found.Estimate.Peak > free)
        {
            warn($"{planner.DescribeFailure(found)} The run goes on with what takes least, as an estimate may be too high.");
        }

        return found.Options;
    }

    /// <summary>Reads what a run may take of a GPU: what is free, and what the model and the reward have there already.</summary>
    /// <param name="model">The base model.</param>
    /// <param name="reward">The reward.</param>
    /// <param name="device">The device of the run.</param>
    /// <returns>
    /// Bytes, by which an estimate is measured that counts CUDA's context, although that is there already: the difference is on the safe side. null: not known,
    /// or not a GPU.
    /// </returns>
    public static long? ReadFree(VideoDiffusionModel model, VideoReward reward, IComputeDevice device) => device.ReadMemory() is { } memory
        ? memory.FreeBytes + model.Networks.Values.SelectMany(TrainingDryRun.Stored).Concat(reward.Stored)
            .Where(tensor => tensor.device_type == device.Type).Sum(MemoryEstimation.Bytes)
        : null;
}
