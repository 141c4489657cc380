using Microsoft.ML.VideoAlignment.Rewards;

namespace Microsoft.ML.VideoAlignment;

// Who disposes a reward: its maker, or the last of the sums that it was given to.
public abstract partial class VideoReward
{
    private readonly Lock _ownership = new();
    private int _owners;
    private bool _disposed;

    /// <summary>Weights a reward; a negative weight turns its direction round.</summary>
    /// <param name="reward">The reward. The result owns it: it is disposed with the last of the sums and multiples that it is part of.</param>
    /// <param name="weight">A finite number other than 0.</param>
    /// <returns>A sum of one part. Dispose it instead of <paramref name="reward"/>.</returns>
    /// <exception cref="RewardContractException">The weight is 0 or not finite; nothing was taken over.</exception>
    /// <exception cref="ObjectDisposedException">The reward has been disposed.</exception>
    public static VideoReward operator *(VideoReward reward, float weight) => Multiply(reward, weight);

    /// <inheritdoc cref="op_Multiply(VideoReward, float)"/>
    public static VideoReward operator *(float weight, VideoReward reward) => Multiply(reward, weight);

    /// <summary>Adds two rewards.</summary>
    /// <param name="left">The first part. The sum owns it: it is disposed with the last of the sums and multiples that it is part of.</param>
    /// <param name="right">The second part, owned in the same way; may be the first.</param>
    /// <returns>The sum. Dispose it instead of its parts.</returns>
    /// <exception cref="RewardContractException">The parts' contracts do not go together; nothing was taken over.</exception>
    /// <exception cref="ObjectDisposedException">A part has been disposed.</exception>
    public static VideoReward operator +(VideoReward left, VideoReward right) => Add(left, right);

    /// <inheritdoc cref="op_Multiply(VideoReward, float)"/>
    public static VideoReward Multiply(VideoReward reward, float weight) => new RewardMix([(reward, weight)]);

    /// <inheritdoc cref="op_Addition(VideoReward, VideoReward)"/>
    public static VideoReward Add(VideoReward left, VideoReward right) => new RewardMix([(left, 1f), (right, 1f)]);

    /// <summary>Disposes the reward at once, whoever holds it; a sum that still does can then no longer score. May be called again.</summary>
    public void Dispose()
    {
        lock (_ownership)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
        }

        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Throws where the reward has been disposed: its networks are gone.</summary>
    /// <exception cref="ObjectDisposedException">The reward has been disposed.</exception>
    internal virtual void RequireAlive()
    {
        if (_disposed)
        {
            throw Disposed();
        }
    }

    /// <summary>Adds a sum to those that own the reward.</summary>
    /// <exception cref="ObjectDisposedException">The reward has been disposed.</exception>
    internal void AddOwner()
    {
        lock (_ownership)
        {
            if (_disposed)
            {
                throw Disposed();
            }

            _owners++;
        }
    }

    /// <summary>Removes a sum from those that own the reward, and disposes the reward with the last of them.</summary>
    internal void RemoveOwner()
    {
        lock (_ownership)
        {
            if (--_owners > 0)
            {
                return;
            }
        }

        Dispose();
    }

    /// <summary>Takes <see cref="AddOwner"/> back where a sum could not be made: the reward stays its maker's.</summary>
    internal void ForgetOwner()
    {
        lock (_ownership)
        {
            _owners--;
        }
    }

    private ObjectDisposedException Disposed() => new(
        GetType().Name,
        $"The reward '{Name}' has been disposed. Dispose a reward after everything that uses it: estimators, scoring transformers, and sums, which "
            + "dispose their parts; make it again to use it again.");
}
