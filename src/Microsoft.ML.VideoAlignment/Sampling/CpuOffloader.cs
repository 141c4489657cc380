using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Sampling;

/// <summary>
/// Offloads networks to the CPU while they are not needed: text encoders once the run's texts are encoded, and, if they are given, image encoder, decoder and
/// reward while the denoiser samples. A network that was restored stays until sampling begins again, through the backward pass too.
/// </summary>
/// <param name="networks">The networks, and the stages each works in.</param>
/// <param name="move">Puts a network on the device (true), or where it waits (false).</param>
internal sealed class CpuOffloader(IReadOnlyList<(string Name, RunStage[] Works)> networks, Action<string, bool> move) : IRunObserver
{
    private readonly HashSet<string> _offloaded = [];

    /// <summary>Makes the offloader of a model's networks and of the reward.</summary>
    /// <param name="model">The model; its denoiser stays.</param>
    /// <param name="move">Puts a network, or <see cref="Reward"/>, on the device (true) or on the CPU (false).</param>
    public static CpuOffloader Create(VideoDiffusionModel model, Action<string, bool> move) => new(
        [.. model.Networks.Where(pair => pair.Value != model.Denoiser).Select(pair => (pair.Key, FindStages(model, pair.Key))), (Reward, [RunStage.Scoring])],
        move);

    /// <summary>Makes the offloader of a model's text encoders; all else stays.</summary>
    /// <param name="model">The model.</param>
    /// <param name="move">Puts a network on the device (true) or on the CPU (false).</param>
    public static CpuOffloader CreateForTexts(VideoDiffusionModel model, Action<string, bool> move) =>
        new([.. model.TextEncoders.Select(static name => (name, new[] { RunStage.Encoding }))], move);

    /// <summary>Offloads networks at once; they return when a stage needs them.</summary>
    /// <param name="names">Names of networks; those that this does not move are left alone.</param>
    public void Offload(IEnumerable<string> names)
    {
        foreach (string name in names.Where(name => networks.Any(network => network.Name == name)))
        {
            if (_offloaded.Add(name))
            {
                move(name, false);
            }
        }
    }

    /// <summary>The name under which the reward is moved.</summary>
    public const string Reward = "reward";

    /// <summary>Restores what a stage needs, and offloads the rest where sampling begins.</summary>
    /// <param name="stage">The stage that begins.</param>
    public void Enter(RunStage stage)
    {
        foreach ((string name, RunStage[] works) in networks)
        {
            if (works.Contains(stage))
            {
                Restore(name);
            }
            else if (stage == RunStage.Sampling && _offloaded.Add(name))
            {
                move(name, false);
            }
        }
    }

    /// <summary>Restores all networks, the others too where one cannot be.</summary>
    /// <exception cref="AggregateException">Some networks could not be restored.</exception>
    public void RestoreAll() => Attempts.RunAll(networks.Select(network => (Action)(() => Restore(network.Name))));

    private void Restore(string name)
    {
        if (_offloaded.Contains(name))
        {
            move(name, true);
            _offloaded.Remove(name);
        }
    }

    // A model that may begin with an image encodes it with its autoencoder too.
    private static RunStage[] FindStages(VideoDiffusionModel model, string network) =>
        network != VideoDiffusionModel.DecoderName ? [RunStage.Encoding]
        : model.Images != ImageUse.None ? [RunStage.Encoding, RunStage.Decoding]
        : [RunStage.Decoding];
}
