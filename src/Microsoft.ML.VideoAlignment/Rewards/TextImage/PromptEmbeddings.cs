using Microsoft.ML.VideoAlignment.Files;

namespace Microsoft.ML.VideoAlignment.Rewards.TextImage;

/// <summary>
/// Text embeddings by prompt, each encoded once and kept; every reward that reads prompts has one. While runs have all their prompts encoded the encoder is
/// offloaded; or it is let go for good, and from then on an unknown prompt is an error.
/// </summary>
/// <remarks>One thread at a time encodes or moves the encoder; scoring on other threads goes on meanwhile.</remarks>
/// <param name="reward">Name of the reward, for errors.</param>
/// <param name="encode">Texts -> their embeddings [N, P], l2-normalized; a fresh tensor. Asked for one text at a time.</param>
/// <param name="move">Puts the encoder on the reward's device (true), or into the CPU's memory (false); null: it stays.</param>
internal sealed class PromptEmbeddings(string reward, Func<IReadOnlyList<string>, Tensor> encode, Action<bool>? move = null) : IDisposable
{
    /// <summary>Prompts whose embeddings are kept besides those of runs; a prompt set of an alignment run is far smaller.</summary>
    private const int MostKept = 4096;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Tensor> _kept = new(StringComparer.Ordinal);

    // By how many runs a prompt is needed.
    private readonly Dictionary<string, int> _needed = new(StringComparer.Ordinal);
    private int _runs;
    private bool _offloaded;
    private bool _closed;
    private bool _disposed;

    /// <summary>How many texts went through the encoder so far.</summary>
    public int Encoded { get; private set; }

    /// <summary>Whether the encoder is in the CPU's memory, wherever the reward is.</summary>
    public bool IsEncoderOffloaded => _offloaded;

    /// <summary>Embeds prompts, new ones by the encoder.</summary>
    /// <param name="prompts">B prompts.</param>
    /// <returns>[B, P], l2-normalized; a fresh tensor.</returns>
    /// <exception cref="RewardContractException">A prompt is not among those of <see cref="RestrictTo"/>.</exception>
    public Tensor Embed(IReadOnlyList<string> prompts)
    {
        lock (_gate)
        {
            string[] unknown = FindUnknown(prompts);
            if (_kept.Count - _needed.Count + unknown.Length > MostKept)
            {
                Forget(prompt => !_needed.ContainsKey(prompt));
                unknown = FindUnknown(prompts);
            }

            Encode(unknown);
            MoveEncoder(works: _runs == 0);

            // A fresh tensor: what was kept in inference mode may not enter a graph, its copy may.
            return stack([.. prompts.Select(prompt => _kept[prompt])]);
        }
    }

    /// <summary>Sets the embedding of a prompt.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="embedding">[P], l2-normalized; copied.</param>
    public void Set(string prompt, Tensor embedding)
    {
        lock (_gate)
        {
            _kept.GetValueOrDefault(prompt)?.Dispose();
            _kept[prompt] = embedding.clone().DetachFromDisposeScope();
        }
    }

    /// <summary>Encodes the prompts of a run and offloads the encoder, which returns for any other prompt and when the run has ended.</summary>
    /// <param name="prompts">The run's prompts.</param>
    /// <param name="cancellation">Of a run that is canceled meanwhile some prompts are left out.</param>
    /// <returns>Ends the run's need of the embeddings when disposed.</returns>
    /// <exception cref="RewardContractException">A prompt is not among those of <see cref="RestrictTo"/>.</exception>
    public IDisposable Prepare(IReadOnlyList<string> prompts, CancellationToken cancellation = default)
    {
        lock (_gate)
        {
            Encode(FindUnknown(prompts), cancellation);
            try
            {
                MoveEncoder(works: false);
            }
            catch
            {
                MoveEncoder(works: _runs == 0);
                throw;
            }

            string[] own = [.. prompts.Distinct(StringComparer.Ordinal)];
            foreach (string prompt in own)
            {
                _needed[prompt] = _needed.GetValueOrDefault(prompt) + 1;
            }

            _runs++;
            return new Preparation(this, own);
        }
    }

    /// <summary>Encodes these prompts; afterwards the encoder is not called any more.</summary>
    /// <param name="prompts">Every prompt that will come.</param>
    public void RestrictTo(IEnumerable<string> prompts)
    {
        lock (_gate)
        {
            Encode(FindUnknown([.. prompts]));
            _closed = true;
        }
    }

    /// <summary>Moves the embeddings.</summary>
    /// <param name="device">Where frames will be.</param>
    public void MoveTo(Device device)
    {
        lock (_gate)
        {
            foreach ((string prompt, Tensor embedding) in _kept.ToArray())
            {
                using Tensor moved = embedding.to(device);
                Set(prompt, moved);
            }
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            Forget(static _ => true);
        }
    }

    private string[] FindUnknown(IReadOnlyList<string> prompts)
    {
        string[] unknown = [.. prompts.Distinct(StringComparer.Ordinal).Where(prompt => !_kept.ContainsKey(prompt))];
        if (_closed && unknown.Length > 0)
        {
            string more = unknown.Length > 1 ? $" and {unknown.Length - 1} more" : "";
            throw new RewardContractException(
                $"Reward '{reward}' has let its text encoder go and keeps {_kept.Count} prompts; it does not know '{Quotation.Shorten(unknown[0])}'{more}. "
                + "Give RestrictToPrompts every prompt that will come, or make the reward anew.");
        }

        return unknown;
    }

    // One by one, since what a text gets must not depend on which others came along: a run that goes on in another process meets them in another order.
    private void Encode(string[] prompts, CancellationToken cancellation = default)
    {
        foreach (string prompt in prompts)
        {
            if (cancellation.IsCancellationRequested)
            {
                return;
            }

            MoveEncoder(works: true);
            using Tensor embeddings = encode([prompt]);
            using Tensor embedding = embeddings[0];
            Set(prompt, embedding);
            Encoded++;
        }
    }

    // An encoder that could be moved only in part counts as offloaded: it is moved again before it works.
    private void MoveEncoder(bool works)
    {
        if (works != _offloaded || _disposed)
        {
            return;
        }

        _offloaded = true;
        move?.Invoke(works);
        _offloaded = !works;
    }

    private void End(string[] prompts)
    {
        lock (_gate)
        {
            foreach (string prompt in prompts)
            {
                if (--_needed[prompt] == 0)
                {
                    _needed.Remove(prompt);
                }
            }

            _runs--;
            MoveEncoder(works: _runs == 0);
        }
    }

    private void Forget(Func<string, bool> which)
    {
        foreach ((string prompt, Tensor embedding) in _kept.Where(pair => which(pair.Key)).ToArray())
        {
            embedding.Dispose();
            _kept.Remove(prompt);
        }
    }

    private sealed class Preparation(PromptEmbeddings owner, string[] prompts) : IDisposable
    {
        private bool _ended;

        public void Dispose()
        {
            if (!_ended)
            {
                _ended = true;
                owner.End(prompts);
            }
        }
    }
}
