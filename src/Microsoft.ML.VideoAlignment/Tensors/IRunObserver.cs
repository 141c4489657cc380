namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// Listens to what a flow of execution does, from <see cref="RunContext.Observe"/> until the observation is disposed. Every event is optional.
/// </summary>
/// <remarks>
/// Events come on the thread that does the work, which for backward passes on a GPU is one of libtorch's own. What an observer throws fails the work that
/// raised the event.
/// </remarks>
internal interface IRunObserver
{
    /// <summary>Whether <see cref="OpDone"/> is wanted: an op measures its operands only for observers that want it.</summary>
    bool ObservesOps => false;

    /// <summary>A stage begins.</summary>
    /// <param name="stage">The stage that the following events belong to.</param>
    void Enter(RunStage stage)
    {
    }

    /// <summary>An operation of <see cref="Ops"/> or of a kernel has its result.</summary>
    /// <param name="op">The operation; its tensors live until the call returns.</param>
    void OpDone(in OpRecord op)
    {
    }

    /// <summary>The denoiser is evaluated, not counting what a backward pass evaluates again.</summary>
    /// <param name="rows">Videos of the batch, twice as many where guidance evaluates both branches.</param>
    void DenoiserEvaluated(long rows)
    {
    }

    /// <summary>The host reads numbers of the device, and waits for them.</summary>
    /// <param name="reader">The member that reads.</param>
    void HostReads(string reader)
    {
    }

    /// <summary>The backward pass of an operation begins.</summary>
    /// <param name="operation"><see cref="DifferentiableOperation.Name"/>.</param>
    void Differentiating(string operation)
    {
    }

    /// <summary>An input that waited in the CPU's memory is about to be copied back to its device.</summary>
    void RestoringInput()
    {
    }
}
