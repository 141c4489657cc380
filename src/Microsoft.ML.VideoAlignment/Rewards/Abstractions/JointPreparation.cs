using System.Runtime.ExceptionServices;

namespace Microsoft.ML.VideoAlignment.Rewards;

/// <summary>The preparations of several rewards for the prompts of one run (<see cref="VideoReward.PreparePrompts"/>).</summary>
internal sealed class JointPreparation : IDisposable
{
    private readonly Stack<IDisposable> _parts = new();

    private JointPreparation()
    {
    }

    /// <summary>Prepares rewards one after another. Where one cannot be, those before it are as they were.</summary>
    /// <param name="rewards">The rewards.</param>
    /// <param name="prompts">Every prompt of the run.</param>
    /// <param name="cancellation">Of a run that is canceled meanwhile some prompts are left out.</param>
    /// <returns>Ends all preparations when it is disposed, the others too where one cannot be ended; null: no reward has prepared anything.</returns>
    public static JointPreparation? Begin(IEnumerable<VideoReward> rewards, IReadOnlyList<string> prompts, CancellationToken cancellation)
    {
        var all = new JointPreparation();
        try
        {
            foreach (VideoReward reward in rewards)
            {
                if (reward.PreparePrompts(prompts, cancellation) is { } preparation)
                {
                    all._parts.Push(preparation);
                }
            }
        }
        catch (Exception)
        {
            all.EndAll();
            throw;
        }

        return all._parts.Count == 0 ? null : all;
    }

    public void Dispose()
    {
        if (EndAll() is { } failure)
        {
            ExceptionDispatchInfo.Throw(failure);
        }
    }

    // The first failure; null: none.
    private Exception? EndAll()
    {
        Exception? first = null;
        while (_parts.TryPop(out IDisposable? preparation))
        {
            try
            {
                preparation.Dispose();
            }
            catch (Exception failure)
            {
                first ??= failure;
            }
        }

        return first;
    }
}
