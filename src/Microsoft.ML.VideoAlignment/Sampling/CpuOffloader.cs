namespace Microsoft.ML.VideoAlignment.Sampling;

/// <summary>What the networks beside the denoiser are needed for.</summary>
internal enum WorkStage
{
    /// <summary>Texts and images become conditions.</summary>
    Encoding,

    /// <summary>Denoising: nothing but the denoiser works.</summary>
    Sampling,

    /// <summary>Latents become frames.</summary>
    Decoding,

    /// <summary>Frames are scored.</summary>
    Scoring,
}

/// <summary>
/// Lets networks wait off the device while the work is not theirs: encoders, decoder and reward while the denoiser samples. What has begun to work stays until
/// sampling begins again, the backward pass with it; a network is moved only where it is not where it should be.
/// </summary>
/// <param name="networks">Every network but the denoiser, and the stages it works in.</param>
/// <param name="move">Puts a network on the device (true), or where it waits (false).</param>
internal sealed class CpuOffloader(IReadOnlyList<(string Name, WorkStage[] Works)> networks, Action<string, bool> move)
{
    private readonly HashSet<string> _offloaded = [];

    /// <summary>Those of a model; move: as of the constructor, the reward being called so.</summary>
    public static CpuOffloader Create(VideoDiffusionModel model, Action<string, bool> move) => new(
        [.. model.Networks.Where(pair => pair.Value != model.Denoiser).Select(pair => (pair.Key, IsInUse(model, pair.Key))), (Reward, [WorkStage.Scoring])], move);

    /// <summary>What the reward is called.</summary>
    public const string Reward = "reward";

    /// <summary>Work of this kind begins.</summary>
    public void Enter(WorkStage stage)
    {
        foreach ((string name, WorkStage[] works) in networks)
        {
            if (works.Contains(stage))
            {
                Restore(name);
            }
            else if (stage == WorkStage.Sampling && _offloaded.Add(name))
            {
                move(name, false);
            }
        }
    }

    /// <summary>All are on the device again; one that cannot be does not keep the others away.</summary>
    /// <exception cref="AggregateException">Those that could not be brought back.</exception>
    public void RestoreAll()
    {
        var failures = new List<Exception>();
        foreach ((string name, _) in networks)
        {
            try
            {
                Restore(name);
            }
            catch (Exception failure)
            {
                failures.Add(failure);
            }
        }

        if (failures.Count > 0)
        {
            throw new AggregateException(failures);
        }
    }

    private void Restore(string name)
    {
        if (_offloaded.Contains(name))
        {
            move(name, true);
            _offloaded.Remove(name);
        }
    }

    /// <summary>A model that may begin with an image encodes it with its autoencoder too.</summary>
    private static WorkStage[] IsInUse(VideoDiffusionModel model, string network) =>
        network != "vae" ? [WorkStage.Encoding] : model.Images != ImageUse.None ? [WorkStage.Encoding, WorkStage.Decoding] : [WorkStage.Decoding];
}
