namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>Checks the tree of a pickle without recursion: the file decides how deep it nests.</summary>
internal static class WeightTree
{
    /// <summary>
    /// Finds containers that nest too deep or contain themselves, and functions or bare storages as values. Every container is visited once, however often it
    /// is named.
    /// </summary>
    /// <param name="root">The root of the tree.</param>
    /// <param name="maxDepth">The deepest nesting allowed.</param>
    /// <param name="fault">Receives the description of a fault, and throws.</param>
    public static void Check(WeightNode root, int maxDepth, Action<string> fault)
    {
        // Height of a finished container; 0 while it is on the path from the root.
        var heights = new Dictionary<WeightNode, int>(ReferenceEqualityComparer.Instance);
        var path = new Stack<(WeightNode Node, int Next, int Height)>();
        Visit(root);
        while (path.TryPop(out (WeightNode Node, int Next, int Height) step))
        {
            if (Child(step.Node, step.Next) is { } child)
            {
                int height = heights.GetValueOrDefault(child);
                path.Push((step.Node, step.Next + 1, Math.Max(step.Height, height + 1)));
                RequireDepth(path.Count + height);
                if (height == 0)
                {
                    Visit(child);
                }
            }
            else
            {
                heights[step.Node] = step.Height;
            }
        }

        void RequireDepth(int depth)
        {
            if (depth > maxDepth)
            {
                fault($"containers nest deeper than {maxDepth}");
            }
        }

        void Visit(WeightNode node)
        {
            if (node is PickleGlobal or PickleStorage)
            {
                fault($"{node.Kind} as a value; only containers, scalars and tensors are weights");
            }

            if (node is DictNode or ListNode)
            {
                if (!heights.TryAdd(node, 0))
                {
                    fault($"{node.Kind} contains itself");
                }

                path.Push((node, 0, 1));
                RequireDepth(path.Count);
            }
        }
    }

    private static WeightNode? Child(WeightNode node, int place) => node switch
    {
        ListNode list => place < list.Items.Count ? list.Items[place] : null,
        // Keys are scalars.
        DictNode dict => place < dict.Items.Count ? dict.Items[place].Value : null,
        _ => null,
    };
}
