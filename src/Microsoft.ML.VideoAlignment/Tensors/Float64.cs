namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>
/// Networks in float64 until disposed; then every weight and buffer has its dtype and value again (a wider float holds every narrower one exactly). Modules
/// replace their parameters when they are converted, so nothing may hold on to one over either end.
/// </summary>
internal sealed class Float64 : IDisposable
{
    private readonly List<Stored> _networks;

    public Float64(IEnumerable<nn.Module> networks)
    {
        _networks = [.. networks.Distinct().Select(Convert)];
    }

    public void Dispose()
    {
        foreach (Stored stored in _networks)
        {
            stored.Restore();
        }

        _networks.Clear();
    }

    private static Stored Convert(nn.Module network)
    {
        var stored = new Stored(network);
        network.to(ScalarType.Float64);
        return stored;
    }

    /// <summary>What a network was stored in: mostly one dtype, with some tensors in another.</summary>
    private sealed class Stored
    {
        private readonly nn.Module _network;
        private readonly ScalarType? _dtype;
        private readonly Dictionary<string, Tensor> _others = [];
        private readonly (nn.Module Module, ScalarType Dtype)[] _modules;

        public Stored(nn.Module network)
        {
            _network = network;
            (string Name, Tensor Value)[] tensors = [.. All(network, recurse: true)];
            _dtype = tensors.Select(tensor => (ScalarType?)tensor.Value.dtype).FirstOrDefault();
            foreach ((string name, Tensor value) in tensors.Where(tensor => tensor.Value.dtype != _dtype))
            {
                using IDisposable guard = no_grad();
                _others[name] = value.clone().DetachFromDisposeScope();
            }

            _modules = _others.Count == 0 ? [] :
            [
                .. network.modules().Select(module => (module, All(module, recurse: false).Select(tensor => (ScalarType?)tensor.Value.dtype).FirstOrDefault()))
                    .Where(pair => pair.Item2 is not null).Select(pair => (pair.module, pair.Item2!.Value)),
            ];
        }

        public void Restore()
        {
            if (_dtype is not { } dtype)
            {
                return;
            }

            // Outer modules before inner ones, since a conversion goes down the tree; values that met a narrower dtype on the way are put back.
            _network.to(dtype);
            foreach ((nn.Module module, ScalarType own) in _modules)
            {
                module.to(own);
            }

            using IDisposable guard = no_grad();
            foreach ((string name, Tensor value) in All(_network, recurse: true).Where(tensor => _others.ContainsKey(tensor.Name)))
            {
                value.copy_(_others[name]);
                _others[name].Dispose();
            }
        }

        private static IEnumerable<(string Name, Tensor Value)> All(nn.Module module, bool recurse) =>
            module.named_parameters(recurse).Select(pair => (pair.name, (Tensor)pair.parameter))
                .Concat(module.named_buffers(recurse).Select(pair => (pair.name, pair.buffer)))
                .Where(pair => pair.Item2.is_floating_point());
    }
}
