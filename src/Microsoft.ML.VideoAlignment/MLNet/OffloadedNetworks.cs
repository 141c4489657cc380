using Microsoft.ML.VideoAlignment.Memory;
using Microsoft.ML.VideoAlignment.Sampling;
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>
/// What a run moves from its GPU into the CPU's memory and brings back when it ends: text encoders of model and reward, which have nothing to do once the
/// prompts are encoded, and on request whatever is idle while the denoiser samples, and the weights of the denoiser's layers that do not compute.
/// </summary>
internal sealed class OffloadedNetworks : IDisposable
{
    private readonly CpuOffloader? _offloader;
    private readonly IDisposable? _observing;
    private WeightStreaming? _weights;
    private IDisposable? _prompts;

    private OffloadedNetworks(CpuOffloader? offloader)
    {
        _offloader = offloader;
        _observing = offloader is null ? null : RunContext.Observe(offloader);
    }

    /// <summary>Begins to watch the running flow, which is that of the run.</summary>
    /// <param name="model">The model to align.</param>
    /// <param name="options">The options of the run.</param>
    /// <param name="move">
    /// Puts a network of the model, or <see cref="CpuOffloader.Reward"/>, on the device (true) or on the CPU (false); null: nothing is moved.
    /// </param>
    public static OffloadedNetworks Begin(VideoDiffusionModel model, VideoAlignmentOptions options, Action<string, bool>? move) => new(
        move is null ? null : options.OffloadsIdleNetworks(model.Device.type) ? CpuOffloader.Create(model, move) : CpuOffloader.CreateForTexts(model, move));

    /// <summary>Lets the reward encode the run's prompts, and offload what it needs for nothing else.</summary>
    /// <param name="reward">The reward.</param>
    /// <param name="prompts">Every prompt, as the reward reads it; not read where nothing is moved.</param>
    public void PreparePrompts(VideoReward reward, IEnumerable<string> prompts)
    {
        if (_offloader is not null)
        {
            _prompts = reward.PreparePrompts([.. prompts], RunContext.Current.Cancellation);
        }
    }

    /// <summary>Lets the weights of a network arrive one after another from now on.</summary>
    /// <param name="network">The network.</param>
    public void StreamWeights(nn.Module network) => _weights = WeightStreaming.Begin(network);

    /// <summary>Brings everything back, the rest too where something cannot be.</summary>
    /// <exception cref="AggregateException">Some networks could not be brought back.</exception>
    public void Restore()
    {
        _observing?.Dispose();
        try
        {
            Attempts.RunAll([() => _weights?.Restore(), () => _offloader?.RestoreAll()]);
        }
        finally
        {
            Dispose();
            _prompts?.Dispose();
            _prompts = null;
        }
    }

    /// <summary>Brings everything back after a failure. It is the failure that has to be reported: one that follows from it must not take its place.</summary>
    /// <param name="warn">Receives a warning where something could not be brought back.</param>
    public void RestoreAfterFailure(Action<string> warn)
    {
        try
        {
            Restore();
        }
        catch (Exception second)
        {
            try
            {
                warn($"After the failure, networks that were offloaded to the CPU could not be restored ({second.Message}). "
                    + "Load the model again before using it.");
            }
            catch (Exception)
            {
                // The log throws as well.
            }
        }
    }

    /// <summary>Ends the watching; nothing is moved.</summary>
    public void Dispose()
    {
        _observing?.Dispose();
        _weights?.Dispose();
    }
}
