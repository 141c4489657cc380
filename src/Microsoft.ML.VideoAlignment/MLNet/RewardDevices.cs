using System.Runtime.CompilerServices;
using Microsoft.ML.VideoAlignment.Rewards;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>
/// Keeps track of where the networks of a reward are and who is using them. Uses on one device run side by side; a use on another device waits until they
/// have ended and then moves the networks, so that none is moved during a running forward or backward pass.
/// </summary>
/// <remarks>A part that several sums share counts as one reward.</remarks>
internal sealed class RewardDevices
{
    private static readonly ConditionalWeakTable<VideoReward, RewardDevices> s_ofReward = [];
    private static long s_made;

    private readonly object _gate = new();
    private readonly Dictionary<int, int> _threads = [];
    private readonly long _order = Interlocked.Increment(ref s_made);
    private readonly VideoReward _reward;
    private Device? _device;
    private bool _alone;

    private RewardDevices(VideoReward reward) => _reward = reward;

    /// <summary>Moves a reward to a device, and keeps it there until the result is disposed.</summary>
    /// <param name="reward">The reward; of a sum all parts are moved.</param>
    /// <param name="device">The device.</param>
    /// <param name="alone">Whether all other uses are excluded meanwhile: for work that moves or converts the networks.</param>
    /// <returns>The use, which ends when it is disposed, on the same thread.</returns>
    /// <exception cref="InvalidOperationException">This thread already uses the reward in a way that excludes the new use: waiting would never end.</exception>
    public static IDisposable Use(VideoReward reward, Device device, bool alone = false)
    {
        // Always in the same order: two sums that share two parts must not each have one and wait for the other.
        RewardDevices[] parts = [.. RewardMix.PlainParts(reward).Distinct().Select(ForPart).OrderBy(part => part._order)];
        var held = new Stack<RewardDevices>();
        try
        {
            foreach (RewardDevices part in parts)
            {
                part.Enter(device, alone);
                held.Push(part);
            }
        }
        catch
        {
            Leave(held);
            throw;
        }

        return new Ending(held);
    }

    private static RewardDevices ForPart(VideoReward part) => s_ofReward.GetValue(part, static part => new RewardDevices(part));

    private static void Leave(Stack<RewardDevices> held)
    {
        while (held.TryPop(out RewardDevices? part))
        {
            part.Leave();
        }
    }

    private void Enter(Device device, bool alone)
    {
        int thread = Environment.CurrentManagedThreadId;
        lock (_gate)
        {
            while (_threads.Count > 0 && (alone || _alone || !IsOn(device)))
            {
                if (_threads.ContainsKey(thread))
                {
                    throw new InvalidOperationException(
                        $"The reward '{_reward.Name}' is in use on {_device} by a run on this thread, and a callback of that run asks for it on "
                        + $"{device}{(alone || _alone ? ", one of the two with exclusive use" : "")}. "
                        + "Score after the run has returned, or make the reward a second time.");
                }

                Monitor.Wait(_gate);
            }

            if (!IsOn(device))
            {
                _reward.MoveTo(device);
                _device = device;
            }

            _alone = alone;
            _threads[thread] = _threads.GetValueOrDefault(thread) + 1;
        }
    }

    private bool IsOn(Device device) => _device is not null && Devices.Same(_device, device);

    private void Leave()
    {
        lock (_gate)
        {
            int thread = Environment.CurrentManagedThreadId;
            if (--_threads[thread] == 0)
            {
                _threads.Remove(thread);
            }

            _alone &= _threads.Count > 0;
            Monitor.PulseAll(_gate);
        }
    }

    private sealed class Ending(Stack<RewardDevices> held) : IDisposable
    {
        public void Dispose() => Leave(held);
    }
}
