using System.Runtime.CompilerServices;
using Microsoft.ML.VideoAlignment.Lora;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>
/// Decides which adapters are in the slots of a model: a network has one set of slots, but several alignments may share it (two fits, or an alignment
/// beside its own base). Work runs one at a time, on whatever thread, and the slots keep their adapters until other work needs different ones.
/// </summary>
/// <remarks>
/// The model is moved to another device only under the same lock, so none of its networks is moved during a running forward or backward pass.
/// </remarks>
internal sealed class AdapterHost
{
    private static readonly ConditionalWeakTable<VideoDiffusionModel, AdapterHost> s_ofModel = [];

    private readonly Lock _lock = new();
    private readonly VideoDiffusionModel _model;
    private byte[]? _content;
    private LoraAdapters? _attached;
    private bool _lent;

    private AdapterHost(VideoDiffusionModel model) => _model = model;

    /// <summary>Gets the host of a model, the same object at each call.</summary>
    /// <param name="model">The model.</param>
    public static AdapterHost ForModel(VideoDiffusionModel model) => s_ofModel.GetValue(model, static model => new AdapterHost(model));

    /// <summary>Whether the current thread has the model to itself.</summary>
    public bool IsHeldByCurrentThread => _lock.IsHeldByCurrentThread;

    /// <summary>Moves the model to a device, after the work under way has ended.</summary>
    /// <param name="device">The device.</param>
    /// <exception cref="InvalidOperationException">A training run on this very thread has the slots, and its callback asks for the move.</exception>
    public void MoveTo(Device device)
    {
        lock (_lock)
        {
            Attach(device);
        }
    }

    /// <summary>Runs work while the given adapters are in effect and no others.</summary>
    /// <param name="device">The device that the model is moved to first; null: it stays where it is.</param>
    /// <param name="content">The content of an <see cref="AdapterFile"/>, compared by reference; null: the base model.</param>
    /// <param name="work">The work, which receives the attached adapters, or null for the base model.</param>
    /// <returns>What the work returned.</returns>
    /// <exception cref="InvalidOperationException">A training run on this very thread has the slots, and its callback asks for them.</exception>
    public T RunAttached<T>(Device? device, byte[]? content, Func<LoraAdapters?, T> work)
    {
        lock (_lock)
        {
            Attach(device);
            if (content is not null && !ReferenceEquals(content, _content))
            {
                Empty();
                _attached = AdapterFile.Attach(_model.Denoiser, content);
                _content = content;
            }

            // Adapters that are not wanted now are switched off and stay: a table with both videos asks for the one and the other in turn, row by row.
            if (_attached is not null)
            {
                _attached.Enabled = content is not null;
            }

            return work(content is null ? null : _attached);
        }
    }

    /// <summary>Runs work that attaches adapters of its own to the emptied slots.</summary>
    /// <param name="work">The work, which must leave the slots empty.</param>
    /// <param name="device">The device that the model is moved to first; null: it stays where it is.</param>
    /// <returns>What the work returned.</returns>
    /// <exception cref="InvalidOperationException">A training run on this very thread has the slots, and its callback asks for them.</exception>
    public T RunDetached<T>(Func<T> work, Device? device = null)
    {
        lock (_lock)
        {
            Attach(device);
            Empty();
            _lent = true;
            try
            {
                return work();
            }
            finally
            {
                _lent = false;
            }
        }
    }

    /// <summary>Removes the given adapters from the slots, if they are there.</summary>
    /// <param name="content">The content they were attached from, compared by reference; null: nothing is removed.</param>
    public void Release(byte[]? content)
    {
        lock (_lock)
        {
            if (content is not null && ReferenceEquals(content, _content))
            {
                Empty();
            }
        }
    }

    // Call first, under the lock.
    private void Attach(Device? device)
    {
        if (_lent)
        {
            throw new InvalidOperationException(
                $"The {_model.Family} model is in a training run on this thread, and a callback of that run uses the model for something else. Use it after "
                    + "the run has returned, or load the model a second time.");
        }

        _model.RequireAlive();
        if (device is not null && !Devices.Same(_model.Device, device))
        {
            _model.MoveTo(device);
        }
    }

    private void Empty()
    {
        _attached?.Dispose();
        _attached = null;
        _content = null;
    }
}
