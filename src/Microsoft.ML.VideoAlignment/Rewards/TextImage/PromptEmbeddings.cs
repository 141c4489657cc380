using Microsoft.ML.VideoAlignment.Files;

namespace Microsoft.ML.VideoAlignment.Rewards.TextImage;

/// <summary>
/// Text embeddings by prompt, each encoded once and kept; every reward that reads prompts has one. The encoder may be let go when all prompts are known:
/// from then on an unknown prompt is an error.
/// </summary>
/// <param name="reward">Name of the reward, for errors.</param>
/// <param name="encode">Texts -> their embeddings [N, P], l2-normalized; a fresh tensor. Asked for one text at a time.</param>
internal sealed class PromptEmbeddings(string reward, Func<IReadOnlyList<string>, Tensor> encode) : IDisposable
{
    /// <summary>Prompts whose embeddings are kept; a prompt set of an alignment run is far smaller.</summary>
    private const int MostKept = 4096;

    private readonly Dictionary<string, Tensor> _kept = new(StringComparer.Ordinal);
    private bool _closed;

    /// <summary>How many texts went through the encoder so far.</summary>
    public int Encoded { get; private set; }

    /// <summary>Embeds prompts, new ones by the encoder.</summary>
    /// <param name="prompts">B prompts.</param>
    /// <returns>[B, P], l2-normalized; a fresh tensor.</returns>
    /// <exception cref="RewardContractException">A prompt is not among those of <see cref="RestrictTo"/>.</exception>
    public Tensor Embed(IReadOnlyList<string> prompts)
    {
        string[] unknown = Unknown(prompts);
        if (unknown.Length > 0)
        {
            if (_closed)
            {
                string more = unknown.Length > 1 ? $" and {unknown.Length - 1} more" : "";
                throw new RewardContractException(
                    $"Reward '{reward}' has let its text encoder go and keeps {_kept.Count} prompts; it does not know '{Quotation.Shorten(unknown[0])}'{more}. "
                    + "Give RestrictToPrompts every prompt that will come, or make the reward anew.");
            }

            if (_kept.Count + unknown.Length > MostKept)
            {
                Forget();
                unknown = Unknown(prompts);
            }

            Encode(unknown);
        }

        // A fresh tensor: what was kept in inference mode may not enter a graph, its copy may.
        return stack([.. prompts.Select(prompt => _kept[prompt])]);
    }

    /// <summary>Sets the embedding of a prompt.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="embedding">[P], l2-normalized; copied.</param>
    public void Set(string prompt, Tensor embedding)
    {
        _kept.GetValueOrDefault(prompt)?.Dispose();
        _kept[prompt] = embedding.clone().DetachFromDisposeScope();
    }

    /// <summary>Encodes these prompts; afterwards the encoder is not called any more.</summary>
    /// <param name="prompts">Every prompt that will come.</param>
    public void RestrictTo(IEnumerable<string> prompts)
    {
        string[] wanted = [.. prompts];
        if (_closed)
        {
            Embed(wanted).Dispose();
            return;
        }

        Encode(Unknown(wanted));
        _closed = true;
    }

    public void MoveTo(Device device)
    {
        foreach ((string prompt, Tensor embedding) in _kept.ToArray())
        {
            using Tensor moved = embedding.to(device);
            Set(prompt, moved);
        }
    }

    public void Dispose() => Forget();

    private string[] Unknown(IReadOnlyList<string> prompts) => [.. prompts.Distinct(StringComparer.Ordinal).Where(prompt => !_kept.ContainsKey(prompt))];

    // One by one, since what a text gets must not depend on which others came along: a run that goes on in another process meets them in another order.
    private void Encode(string[] prompts)
    {
        foreach (string prompt in prompts)
        {
            using Tensor embeddings = encode([prompt]);
            using Tensor embedding = embeddings[0];
            Set(prompt, embedding);
            Encoded++;
        }
    }

    private void Forget()
    {
        foreach (Tensor embedding in _kept.Values)
        {
            embedding.Dispose();
        }

        _kept.Clear();
    }
}
